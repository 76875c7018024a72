/** Legs that are not in order, put together by their cause: how many, an example, and what to do. */
import { z } from 'zod';
import { isoTime } from '../core/events/iso-time.js';
import { type Explanation, explain } from './explain.js';
import { type Evidence, type JudgedLeg, OUTCOMES, type Outcome } from './leg.js';
import type { Mapping } from './mapping.js';
import type { LegChange } from './matcher.js';
import { shortText } from './values.js';

export interface Example {
  readonly job: string;
  readonly attempt: number;
  /** ISO 8601: when it was first seen. */
  readonly at: string;
  /** Lines of the two files; 0 for none. */
  readonly lines: { readonly callback: number; readonly event: number };
}

export interface Finding extends Explanation {
  readonly outcome: Exclude<Outcome, 'match'>;
  readonly evidence: Evidence;
  readonly eventType: string;
  readonly consumer: string;
  readonly count: number;
  /** The first that were found; one of them may have been reclassified since. */
  readonly examples: readonly Example[];
}

/** Causes told apart: an invalid event's words may be anything. Beyond, a cause is told by its outcome alone. */
const MOST_CAUSES = 500;
const EXAMPLES = 3;

const lineNumber = z.int().nonnegative();
const findingJson = z.object({
  outcome: z.enum(OUTCOMES.filter((outcome) => outcome !== 'match')),
  evidence: z.enum(['good', 'bad', 'none']),
  eventType: z.string(),
  consumer: z.string(),
  says: z.string(),
  fix: z.string(),
  count: z.int(),
  examples: z.array(
    z.object({
      job: z.string(),
      attempt: z.int(),
      at: z.string(),
      lines: z.object({ callback: lineNumber, event: lineNumber }),
    }),
  ),
});
/** Findings with the keys of their causes. */
export const findingsJson = z.array(z.tuple([z.string(), findingJson]));
export type StoredFindings = z.infer<typeof findingsJson>;

/** `stored` is what `store` gave under the same mapping. */
export function createFindings(mapping: Mapping, stored: StoredFindings = []) {
  const byCause = new Map<string, { finding: Finding; count: number; examples: Example[] }>(
    stored.map(([key, finding]) => [key, { finding, count: finding.count, examples: [...finding.examples] }]),
  );
  const keyOf = (leg: number, reason: string) => `${leg}\n${reason}`;
  const othersOf = (leg: number, outcome: Outcome) => `${leg}\n${outcome} (others)`;

  const add = (leg: JudgedLeg, reason: string) => {
    if (leg.details === undefined || leg.outcome === 'match') return;
    let cause = byCause.get(keyOf(leg.leg, reason));
    if (cause === undefined) {
      const others = othersOf(leg.leg, leg.outcome);
      const full = byCause.size >= MOST_CAUSES;
      cause = full ? byCause.get(others) : undefined;
      if (cause === undefined) {
        const { eventType = '', consumer = '' } = mapping.legs[leg.leg] ?? {};
        const finding: Finding = {
          outcome: leg.outcome,
          evidence: leg.evidence,
          eventType,
          consumer,
          count: 0,
          ...explain(mapping, leg.leg, leg.details),
          examples: [],
        };
        cause = { finding, count: 0, examples: [] };
        byCause.set(full ? others : keyOf(leg.leg, reason), cause);
      }
    }
    cause.count++;
    if (cause.examples.length >= EXAMPLES) return;
    const { job, attempt, firstAt, lines } = leg;
    cause.examples.push({ job: shortText(job), attempt, at: isoTime(firstAt), lines });
  };

  return {
    take(change: LegChange): void {
      if (change.kind !== 'closed') {
        const { leg, reason, outcome } = change.before;
        const cause = byCause.get(keyOf(leg, reason)) ?? byCause.get(othersOf(leg, outcome));
        if (cause && reason !== '') cause.count--;
      }
      if (change.kind !== 'withdrawn') add(change.leg, change.reason);
    },
    /** Bad ones first, then the most frequent. */
    all(): Finding[] {
      const weight = { bad: 0, none: 1, good: 2 };
      return [...byCause.values()]
        .filter(({ count }) => count > 0)
        .map(({ finding, count, examples }) => ({ ...finding, count, examples }))
        .sort(
          (a, b) =>
            weight[a.evidence] - weight[b.evidence] ||
            b.count - a.count ||
            (`${a.eventType}${a.consumer}${a.says}` < `${b.eventType}${b.consumer}${b.says}` ? -1 : 1),
        );
    },
    store: (): StoredFindings =>
      [...byCause].map(([key, { finding, count, examples }]) => [key, { ...finding, count, examples }]),
  };
}
