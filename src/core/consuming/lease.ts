/** Keeps a claim alive while its effect runs. */
import type { IdempotencyStore } from './idempotency.js';
import type { SetTimer } from './timer.js';

/** Renewed at this part of the lease, so that two renewals may fail before it passes. */
const RENEWALS_PER_LEASE = 3;

/**
 * Renews the claim until it is stopped or no longer this token's. A renewal that fails is made again at the next turn:
 * should none succeed, the lease passes, and that is what the end of the effect will find.
 */
export function keepLease(
  store: Pick<IdempotencyStore, 'renew'>,
  { key, token, leaseMs }: { readonly key: string; readonly token: string; readonly leaseMs: number },
  setTimer: SetTimer,
): () => void {
  let stopped = false;
  let cancel = setTimer(renew, leaseMs / RENEWALS_PER_LEASE);
  function renew(): void {
    store.renew(key, token, leaseMs).then((held) => {
      if (held) again();
    }, again);
  }
  function again(): void {
    if (!stopped) cancel = setTimer(renew, leaseMs / RENEWALS_PER_LEASE);
  }
  return () => {
    stopped = true;
    cancel();
  };
}
