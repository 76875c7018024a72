/** How many legs of each stratum had which outcome: exact, also when a late arrival changes one. */
import { type Evidence, type JudgedLeg, OUTCOMES, type Outcome } from './leg.js';
import type { Mapping } from './mapping.js';

/** A leg as it was counted, so that it can be counted otherwise. */
export interface Tally {
  /** Names the leg among those of its job and consumer. */
  readonly key: string;
  readonly leg: number;
  readonly outcome: Outcome;
  readonly evidence: Evidence;
  readonly bothApplied: boolean;
  /** Whether the event came within the budget; null without both a callback and an event. */
  readonly inBudget: boolean | null;
  /** Groups what has one cause; empty for a match. */
  readonly reason: string;
}

export type OutcomeCounts = { readonly [outcome in Outcome]: number };

export interface StratumTally {
  readonly eventType: string;
  readonly consumer: string;
  readonly outcomes: OutcomeCounts;
  /** Closed legs that are evidence, and how many of them are bad. */
  readonly legs: number;
  readonly bad: number;
  /** Closed legs that are no evidence. */
  readonly unjudged: number;
  /** Open legs. */
  readonly pending: number;
  readonly bothApplied: number;
  /** Events that were not compared, as their callbacks were not sent. Absent for none, and in older stores. */
  readonly leftOut?: number;
  /** Legs with both a callback and an event; bad are those beyond the budget. Undefined where there is no callback. */
  readonly latency: { readonly legs: number; readonly bad: number } | undefined;
}

export interface ExtraCount {
  readonly reason: string;
  readonly what: string;
  readonly count: number;
  /** Where the first one was. */
  readonly source: string;
  readonly line: number;
}

export interface Counts {
  /** In the order of the mapping, also those without traffic. */
  readonly strata: readonly StratumTally[];
  readonly totals: OutcomeCounts & { readonly extra: number; readonly pending: number };
  /** The most frequent first. */
  readonly extra: readonly ExtraCount[];
}

export type OutcomeNumbers = { -readonly [outcome in Outcome]: number };
export const noOutcomes = (): OutcomeNumbers => ({
  match: 0,
  mismatch: 0,
  missingEvent: 0,
  missingCallback: 0,
  duplicate: 0,
  late: 0,
  refused: 0,
  invalid: 0,
  outOfOrder: 0,
});

/** What the counters of one stratum hold, as stored. */
interface StoredStratum {
  readonly outcomes: OutcomeNumbers;
  readonly evidence: { good: number; bad: number; none: number };
  bothApplied: number;
  leftOut?: number;
  readonly budget: { within: number; beyond: number };
}

export interface StoredCounts {
  readonly strata: readonly StoredStratum[];
  readonly extra: readonly ExtraCount[];
  readonly extras: number;
}

/** Kinds of extra told apart: paths and types come from anybody. */
const MOST_EXTRA = 200;

export function createCounter(mapping: Mapping, stored?: StoredCounts) {
  const strata: StoredStratum[] = mapping.legs.map(
    (_, index) =>
      stored?.strata[index] ?? {
        outcomes: noOutcomes(),
        evidence: { good: 0, bad: 0, none: 0 },
        bothApplied: 0,
        budget: { within: 0, beyond: 0 },
      },
  );
  const extras = new Map((stored?.extra ?? []).map((each) => [`${each.reason}\n${each.what}`, { ...each }]));
  let extraTotal = stored?.extras ?? 0;

  const move = (tally: Tally, by: 1 | -1) => {
    const stratum = strata[tally.leg];
    if (stratum === undefined) return;
    stratum.outcomes[tally.outcome] += by;
    stratum.evidence[tally.evidence] += by;
    if (tally.bothApplied) stratum.bothApplied += by;
    if (tally.inBudget !== null) stratum.budget[tally.inBudget ? 'within' : 'beyond'] += by;
  };
  return {
    add: (tally: Tally) => move(tally, 1),
    remove: (tally: Tally) => move(tally, -1),
    /** An event that reached the leg's consumer and is not compared. */
    addLeftOut(leg: number): void {
      const stratum = strata[leg];
      if (stratum !== undefined) stratum.leftOut = (stratum.leftOut ?? 0) + 1;
    },
    addExtra(one: Omit<ExtraCount, 'count'>): void {
      extraTotal++;
      const key = `${one.reason}\n${one.what}`;
      const known = extras.get(key) ?? extras.get(`${one.reason}\n(others)`);
      if (known) {
        known.count++;
        return;
      }
      const full = extras.size >= MOST_EXTRA;
      const { reason, source, line } = one;
      const what = full ? '(others)' : one.what;
      extras.set(`${reason}\n${what}`, { reason, what, source, line, count: 1 });
    },
    /** `pending`: open legs per stratum. */
    counts(pending: readonly number[]): Counts {
      const tallies = strata.map((stratum, index) => {
        const leg = mapping.legs[index];
        return {
          eventType: leg?.eventType ?? '',
          consumer: leg?.consumer ?? '',
          outcomes: { ...stratum.outcomes },
          legs: stratum.evidence.good + stratum.evidence.bad,
          bad: stratum.evidence.bad,
          unjudged: stratum.evidence.none,
          pending: pending[index] ?? 0,
          bothApplied: stratum.bothApplied,
          ...(stratum.leftOut !== undefined && { leftOut: stratum.leftOut }),
          latency:
            leg?.route === undefined
              ? undefined
              : { legs: stratum.budget.within + stratum.budget.beyond, bad: stratum.budget.beyond },
        };
      });
      const totals = noOutcomes();
      for (const { outcomes } of tallies) for (const each of OUTCOMES) totals[each] += outcomes[each];
      return {
        strata: tallies,
        totals: { ...totals, extra: extraTotal, pending: pending.reduce((sum, each) => sum + each, 0) },
        extra: [...extras.values()].sort((a, b) => b.count - a.count),
      };
    },
    store: (): StoredCounts => ({ strata, extra: [...extras.values()], extras: extraTotal }),
  };
}

export type Counter = ReturnType<typeof createCounter>;

/** How a judged leg is counted. Matches are alike by the million, and share one tally each kind. */
/** `inGap`: an event that came over budget tells nothing where an earlier copy may have been missed, or held up. */
export function createTallies(budgetMs: number, inGap: (path: 'event', from: number, to: number) => boolean) {
  const matches = new Map<string, Tally>();
  const tallyOf = (key: string, judged: JudgedLeg, inBudget: boolean | null, reason: string): Tally => {
    const { leg, outcome, evidence, bothApplied } = judged;
    return { key, leg, outcome, evidence, bothApplied, inBudget, reason };
  };
  return (key: string, judged: JudgedLeg, reason: string): Tally => {
    const { lagMs, firstAt } = judged;
    const isLate = lagMs !== null && lagMs > budgetMs;
    const inBudget = lagMs === null || (isLate && inGap('event', firstAt, firstAt + lagMs)) ? null : !isLate;
    if (judged.outcome !== 'match' || judged.attempt > 1) return tallyOf(key, judged, inBudget, reason);
    const name = `${key} ${judged.leg} ${inBudget}`;
    const known = matches.get(name);
    if (known) return known;
    const tally = tallyOf(key, judged, inBudget, reason);
    matches.set(name, tally);
    return tally;
  };
}
