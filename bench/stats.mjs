/** The few statistics that the measurements need. */

/** The value below which the share `q` (0 to 1) of the values lies. */
export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Compares two series taken in turn. The machine's speed wanders, but it hits both halves of a pair alike:
 * the ratio is the median of the pairs' ratios, not the ratio of the medians.
 */
export function comparePairs(ours, rival) {
  const ratios = ours.map((value, round) => value / rival[round]);
  return { ours: median(ours), rival: median(rival), ratio: median(ratios), ratios };
}

/** Random numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
