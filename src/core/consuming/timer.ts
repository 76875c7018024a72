/** Timers as a parameter, so that tests decide when time passes. */

/** Calls `work` once, after `ms` milliseconds. Returns how to call it off, which may be called at any time. */
export type SetTimer = (work: () => void, ms: number) => () => void;

/** setTimeout counts in 32 bits: a longer wait would end at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** A timer that keeps no process alive. A wait of more than 24 days ends after 24 days. */
export const unrefTimer: SetTimer = (work, ms) => {
  const timer = setTimeout(work, Math.min(ms, LONGEST_MS));
  timer.unref();
  return () => clearTimeout(timer);
};

/** The same, but the process lives as long as it runs: for when there is work, and nothing else tells of it. */
export const countingTimer: SetTimer = (work, ms) => {
  const timer = setTimeout(work, Math.min(ms, LONGEST_MS));
  return () => clearTimeout(timer);
};
