/** Time that passes when a test says so. */
import type { SetTimer } from '../../../src/core/consuming/timer.js';

export interface ManualTime {
  now(): number;
  readonly setTimer: SetTimer;
  /** Lets time pass; timers fire in order, each at its own time. */
  pass(ms: number): void;
  /** Timers that are set. */
  timers(): number;
  /** How often a timer was set. */
  timersEver(): number;
}

export function manualTime(startsAt = 0): ManualTime {
  let time = startsAt;
  let timersEver = 0;
  const timers = new Set<{ readonly at: number; readonly work: () => void }>();
  return {
    now: () => time,
    setTimer(work, ms) {
      timersEver++;
      const timer = { at: time + ms, work };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    pass(ms) {
      const end = time + ms;
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        timers.delete(next);
        time = next.at;
        next.work();
      }
      time = end;
    },
    timers: () => timers.size,
    timersEver: () => timersEver,
  };
}
