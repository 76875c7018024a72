/** A bound on requests in flight: who finds no slot waits for one, first come, first served. */
import type { Stop } from './callback-client-stop.js';

export interface Slots {
  /** Resolves to how to leave, to be called once; to undefined when it was stopped before its turn. */
  enter(stop: Stop): Promise<(() => void) | undefined>;
}

export function createSlots(limit: number): Slots {
  let taken = 0;
  // A Set, because any of ten thousand may be stopped while it waits.
  const waiting = new Set<() => void>();

  const leave = () => {
    taken--;
    const [next] = waiting;
    if (next === undefined) return;
    waiting.delete(next);
    next();
  };

  return {
    enter(stop) {
      if (stop.reason !== undefined) return Promise.resolve(undefined);
      if (taken < limit) {
        taken++;
        return Promise.resolve(leave);
      }
      return new Promise((resolve) => {
        const turn = () => {
          forget();
          taken++;
          resolve(leave);
        };
        const forget = stop.onStop(() => {
          waiting.delete(turn);
          resolve(undefined);
        });
        waiting.add(turn);
      });
    },
  };
}
