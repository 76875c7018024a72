/** How long after its first observation a leg waits for the others before it is judged. */
import type { LatencySketch } from './latency.js';

/** No leg is judged earlier than this. */
export const SHORTEST_WINDOW_MS = 60_000;
const TIMES_SLOWEST = 3;
const SLOWEST = 0.999;

/**
 * The larger of 60 s and three times the p99.9 of the time between the two paths, whichever came first, in
 * milliseconds. `differences` are signed or not. Below a thousand of them p99.9 is the longest one.
 */
export function matchWindowMs(differences: LatencySketch): number {
  return Math.max(SHORTEST_WINDOW_MS, TIMES_SLOWEST * (differences.magnitude(SLOWEST) ?? 0));
}
