/** Keeps a log readable while one thing goes wrong thousands of times. */

/** Different things remembered; past that, all are forgotten and each may be said again. */
const MOST_KEYS = 1_000;

/**
 * Says whether something may be told now: the first time at once, then once per `everyMs`. Gives how often it happened
 * without being told since, or undefined when it is to be kept quiet this time.
 */
export function seldom(everyMs: number, now: () => number): (what: string) => number | undefined {
  const told = new Map<string, { at: number; kept: number }>();
  return (what) => {
    const time = now();
    const last = told.get(what);
    if (last !== undefined && time - last.at < everyMs) {
      last.kept++;
      return undefined;
    }
    if (told.size >= MOST_KEYS) told.clear();
    told.set(what, { at: time, kept: 0 });
    return last?.kept ?? 0;
  };
}
