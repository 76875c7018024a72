/** SQLite has one writer at a time: waiting for the others without holding the event loop up. */
import { setTimeout as delay } from 'node:timers/promises';
import { EventsError } from '../core/errors.js';
import { isBusy } from './errors.js';

/**
 * A statement waits this long for another process's lock before the event loop gets its turn. Long enough to catch the
 * gap between two group commits of a busy process.
 */
export const BUSY_TIMEOUT_MS = 4;

/** Attempts until the lock is free; the event loop runs in between. Rejects with `storage` after `timeoutMs`. */
export async function retryWhileBusy<T>(path: string, timeoutMs: number, attempt: () => T): Promise<T> {
  const start = performance.now();
  for (let tries = 0; ; tries++) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (performance.now() - start >= timeoutMs) throw stillLocked(path, timeoutMs, error);
    }
    await delay(Math.min(1 + tries, 10));
  }
}

function stillLocked(path: string, ms: number, cause: unknown): EventsError {
  return new EventsError('storage', `${path} has been locked by another process for ${ms} ms`, {
    hint: 'Another process holds the file in one long transaction. Look for stuck or stopped processes that use it.',
    cause,
  });
}
