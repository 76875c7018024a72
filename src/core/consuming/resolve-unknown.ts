/** What a person found out about an effect that `once` could not tell about. */
import { randomUUID } from 'node:crypto';
import type { IdempotencyStore, KeyState } from './idempotency.js';

export interface ResolveOptions {
  /** How long an effect that happened is remembered, in milliseconds. Default 7 days. */
  readonly keepMs?: number;
  /** Who found out, kept with the key. Default ''. */
  readonly note?: string;
}

/** Long enough for the two operations below; after a crash between them the key is unknown as before. */
const LEASE_MS = 10_000;
const WEEK_MS = 7 * 24 * 60 * 60 * 1_000;

/**
 * Makes an unknown key done (`happened`), or free (`did-not-happen`), so that the event can be replayed. A free key is
 * made done, too; one that is done already or that a living process has stays as it is. Resolves with what the key is
 * then. Rejects as the store does.
 */
export async function resolveUnknown(
  store: IdempotencyStore,
  key: string,
  found: 'happened' | 'did-not-happen',
  { keepMs = WEEK_MS, note = '' }: ResolveOptions = {},
): Promise<KeyState> {
  const token = randomUUID();
  const { state } = await store.claim(key, { token, leaseMs: LEASE_MS, note, evenUnknown: true });
  if (state === 'claimed-now') {
    if (found === 'happened') await store.complete(key, token, keepMs);
    else await store.release(key, token);
  }
  return store.find(key);
}
