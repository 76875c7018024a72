/** Outcomes over time, in memory that does not grow with the run: when there are too many buckets, two become one. */
import { z } from 'zod';
import { noOutcomes, type OutcomeCounts, type OutcomeNumbers } from './counts.js';
import { OUTCOMES, type Outcome } from './leg.js';
import type { Timeline } from './run-summary.js';

export const MOST_BUCKETS = 400;
/** Doubled as often as it takes: 15 s, 30 s, 1, 2, 4 minutes and so on, 128 minutes for a month. */
const SHORTEST_BUCKET_MS = 15_000;

const count = z.int().nonnegative();
const outcomeCounts = z.object({
  match: count,
  mismatch: count,
  missingEvent: count,
  missingCallback: count,
  duplicate: count,
  late: count,
  refused: count,
  invalid: count,
  outOfOrder: count,
});
export const timelineJson = z.object({
  bucketMs: z.number().positive(),
  buckets: z.array(z.object({ at: z.number(), outcomes: outcomeCounts })),
});

export interface TimelineCounter {
  /** A leg that was first seen then. Milliseconds since 1970. */
  add(at: number, outcome: Outcome): void;
  /** Takes one back that was added about then: from its bucket, or the nearest that has one. */
  remove(at: number, outcome: Outcome): void;
  toJSON(): Timeline;
}

export function createTimeline(stored?: Timeline): TimelineCounter {
  let bucketMs = stored?.bucketMs ?? SHORTEST_BUCKET_MS;
  let buckets = new Map<number, OutcomeNumbers>(
    stored?.buckets.map(({ at, outcomes }) => [Math.round(at / bucketMs), { ...outcomes }]),
  );
  // Legs close about in order of time: the bucket is nearly always that of the leg before.
  let lastIndex = Number.NaN;
  let last: OutcomeNumbers = noOutcomes();

  const bucketAt = (index: number): OutcomeNumbers => {
    const known = buckets.get(index);
    if (known) return known;
    const made = noOutcomes();
    buckets.set(index, made);
    return made;
  };
  const joinPairs = () => {
    bucketMs *= 2;
    const wide = new Map<number, OutcomeNumbers>();
    for (const [index, own] of buckets) {
      const half = Math.floor(index / 2);
      const sum = wide.get(half) ?? noOutcomes();
      for (const outcome of OUTCOMES) sum[outcome] += own[outcome];
      wide.set(half, sum);
    }
    buckets = wide;
    lastIndex = Number.NaN;
  };
  return {
    add(at, outcome) {
      const index = Math.floor(at / bucketMs);
      if (index !== lastIndex) {
        last = bucketAt(index);
        lastIndex = index;
      }
      last[outcome]++;
      while (buckets.size > MOST_BUCKETS) joinPairs();
    },
    remove(at, outcome) {
      let nearest: OutcomeNumbers | undefined;
      let distance = Number.POSITIVE_INFINITY;
      const wanted = Math.floor(at / bucketMs);
      for (const [index, own] of buckets) {
        if (own[outcome] === 0 || Math.abs(index - wanted) >= distance) continue;
        nearest = own;
        distance = Math.abs(index - wanted);
      }
      if (nearest) nearest[outcome]--;
    },
    toJSON: () => ({
      bucketMs,
      buckets: [...buckets]
        .filter(([, own]) => OUTCOMES.some((outcome) => own[outcome] > 0))
        .sort(([a], [b]) => a - b)
        .map(([index, own]): { at: number; outcomes: OutcomeCounts } => ({
          at: index * bucketMs,
          outcomes: { ...own },
        })),
    }),
  };
}
