/** Waiting for a condition, for a limited time, and no longer than the rehearsal is wanted. */
import { setTimeout as pause } from 'node:timers/promises';

export type WaitUntil = (
  condition: () => boolean | Promise<boolean>,
  limitMs: number,
  everyMs?: number,
) => Promise<boolean>;

const EVERY_MS = 40;

/** True once it holds, false when it did not within the limit. Rejects with the signal's reason when that fires. */
export function waitUntilWith(signal: AbortSignal): WaitUntil {
  return async (condition, limitMs, everyMs = EVERY_MS) => {
    const deadline = performance.now() + limitMs;
    for (;;) {
      signal.throwIfAborted();
      if (await condition()) return true;
      if (performance.now() >= deadline) return false;
      await pauseFor(everyMs, signal);
    }
  };
}

/** Rejects with the signal's own reason, not with that of the timer. */
export async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await pause(ms, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
