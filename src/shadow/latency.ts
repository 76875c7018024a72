/**
 * Times by the million in bounded memory: counts in buckets that each are 2 % wider than the one below, so that every
 * quantile is within 1 % of the true one (DDSketch: Masson, Rim, Lee, VLDB 2019, https://arxiv.org/abs/1908.10693).
 * Sketches of two processes or days add up to exactly the sketch of all.
 *
 * Own code: @datadog/sketches-js 2.1.1, the reference in JavaScript, goes to protobuf only and shows no buckets, so
 * neither the store nor a histogram could use it; hdr-histogram-js 3.0.1 (2.2 MB) takes no negative times.
 */
import { z } from 'zod';

/** Every quantile is at most this share of its true value away from it. */
export const RELATIVE_ERROR = 0.01;
const GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const LOG_GROWTH = Math.log(GROWTH);
/** Times below a microsecond count as 0. */
const SMALLEST_MS = 0.001;
/** Times above 317 years share the last bucket: 1,842 buckets on either side of 0 at most, some 50 KB of JSON. */
const LARGEST_MS = 1e13;

/** How many times lie between two. Milliseconds. */
export interface Bar {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export const latencyJson = z.object({
  min: z.number().nullable(),
  max: z.number().nullable(),
  /** Bucket number (its sign is that of the time, 0 is 0 ms) and count, from the lowest time up. */
  buckets: z.array(z.tuple([z.int(), z.int().positive()])),
});
export type LatencyJson = z.infer<typeof latencyJson>;

export interface LatencySketch {
  readonly count: number;
  /** Exact; null while there is nothing. Milliseconds. */
  readonly min: number | null;
  readonly max: number | null;
  /** Milliseconds; fractions and negative ones (the event came before the callback) are welcome. Else RangeError. */
  add(ms: number): void;
  /** Takes in all that another has counted. */
  merge(other: LatencySketch): void;
  /** The time that a share `q` (0 to 1) of all times do not exceed; null while there is nothing. Milliseconds. */
  quantile(q: number): number | null;
  /** The same of the times without their sign. */
  magnitude(q: number): number | null;
  /** At most `most` bars without a hole between them, from the lowest time to the highest; each as wide as the others
   * on a logarithmic scale. */
  histogram(most: number): Bar[];
  toJSON(): LatencyJson;
}

export function latencySketch(from: LatencyJson = { min: null, max: null, buckets: [] }): LatencySketch {
  let { min, max } = from;
  const counts = new Map(from.buckets);
  let count = from.buckets.reduce((sum, [, own]) => sum + own, 0);

  function widen(low: number | null, high: number | null): void {
    if (low !== null) min = Math.min(min ?? low, low);
    if (high !== null) max = Math.max(max ?? high, high);
  }
  function countIn(bucket: number, more: number): void {
    counts.set(bucket, (counts.get(bucket) ?? 0) + more);
    count += more;
  }
  /** Nearest rank: the smallest time that at least a share q of all times do not exceed. */
  function ranked(q: number, order: (bucket: number) => number): number | null {
    let left = Math.max(1, Math.ceil(q * count));
    for (const [bucket, own] of [...counts].sort(([a], [b]) => order(a) - order(b))) {
      left -= own;
      if (left <= 0) return middleOf(order(bucket));
    }
    return null;
  }

  return {
    get count() {
      return count;
    },
    get min() {
      return min;
    },
    get max() {
      return max;
    },
    add(ms) {
      if (!Number.isFinite(ms)) throw new RangeError(`a time in milliseconds, not ${ms}`);
      widen(ms, ms);
      countIn(bucketOf(ms), 1);
    },
    merge(other) {
      const added = other.toJSON();
      widen(added.min, added.max);
      for (const [bucket, own] of added.buckets) countIn(bucket, own);
    },
    quantile(q) {
      const ms = ranked(q, (bucket) => bucket);
      return ms === null || min === null || max === null ? null : Math.min(Math.max(ms, min), max);
    },
    magnitude(q) {
      const ms = ranked(q, Math.abs);
      return ms === null || min === null || max === null ? null : Math.min(ms, Math.max(-min, max));
    },
    histogram: (most) => barsOf(counts, most),
    toJSON: () => ({ min, max, buckets: [...counts].sort(([a], [b]) => a - b) }),
  };
}

function bucketOf(ms: number): number {
  const size = Math.abs(ms);
  if (size < SMALLEST_MS) return 0;
  const bucket = Math.ceil(Math.log(Math.min(size, LARGEST_MS) / SMALLEST_MS) / LOG_GROWTH);
  return Math.sign(ms) * Math.max(1, bucket);
}

/** As far, relatively, from the one end of the bucket as from the other. */
function middleOf(bucket: number): number {
  return bucket === 0
    ? 0
    : Math.sign(bucket) * ((2 * SMALLEST_MS * GROWTH ** Math.abs(bucket)) / (1 + GROWTH));
}

function lowerEnd(bucket: number): number {
  if (bucket > 0) return SMALLEST_MS * GROWTH ** (bucket - 1);
  return -SMALLEST_MS * GROWTH ** -bucket;
}

function barsOf(counts: ReadonlyMap<number, number>, most: number): Bar[] {
  if (counts.size === 0) return [];
  const numbers = [...counts.keys()];
  const first = numbers.reduce((a, b) => Math.min(a, b));
  const last = numbers.reduce((a, b) => Math.max(a, b));
  const width = Math.ceil((last - first + 1) / most);
  const heights = new Array<number>(Math.ceil((last - first + 1) / width)).fill(0);
  for (const [bucket, own] of counts) {
    const bar = Math.floor((bucket - first) / width);
    heights[bar] = (heights[bar] ?? 0) + own;
  }
  return heights.map((count, bar) => {
    const bucket = first + bar * width;
    return { from: lowerEnd(bucket), to: lowerEnd(bucket + width), count };
  });
}
