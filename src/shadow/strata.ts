/**
 * What a stratum (event type × consumer) has been seen doing, in counts, and what its tests say about it. Latency is a
 * second test by the same rule, on counts of its own: it is kept per stratum, because the two legs of one fact are late
 * together, and a test that takes both as independent evidence would say SAFE too often.
 */
import { clopperPearson, type Interval } from './clopper-pearson.js';
import { type Evidence, isSafe, isUnsafe, logE, neededCleanLegs, sharesOf } from './sequential-test.js';

/** What one test is given. */
export interface TestCounts extends Evidence {
  /** How many legs that are evidence close in an hour at present; null while nobody can tell. */
  readonly legsPerHour: number | null;
}

/** Why nobody need wait for a rare stratum. It excuses a lack of evidence, never evidence against it. */
export interface Waiver {
  readonly who: string;
  /** ISO 8601. */
  readonly when: string;
  readonly why: string;
}

/** A stratum that is known from the mapping, whether or not anything of it was seen. `legs` are closed and evidence. */
export interface StratumCounts extends TestCounts {
  readonly eventType: string;
  readonly consumer: string;
  /** Closed legs that are no evidence: refused or missing callbacks, harmless duplicates. */
  readonly unjudged: number;
  /** Open legs. */
  readonly pending: number;
  /** Facts that the consumer applied once for each path. */
  readonly bothApplied: number;
  /** Legs with both a callback and an event; bad are those whose event came later than the callback by more than the budget. */
  readonly latency?: TestCounts & { readonly budgetMs: number };
  /** p0 of its own, between 0 and 1; p1 is a tenth of it. Default: 0.001. */
  readonly tolerated?: number;
  readonly waiver?: Waiver;
}

/** A stretch in which a source may have missed something. Milliseconds since 1970; `to` is null while it lasts. */
export interface Gap {
  readonly source: string;
  readonly from: number;
  readonly to: number | null;
}

/** A source whose watermark does not move. `since` in milliseconds since 1970; null when it never told anything. */
export interface Stall {
  readonly source: string;
  readonly since: number | null;
}

export type Finding = 'safe' | 'unsafe' | 'open';

export interface TestResult extends TestCounts {
  readonly finding: Finding;
  /** Decimal logarithm of E; 1.3 and more is SAFE with α = 5 %. */
  readonly log10E: number;
  /** Clean legs still to come before E ≥ 1/α; 0 when it is. */
  readonly neededCleanLegs: number;
  /** How long those take at the present rate, in milliseconds; null when nothing comes or nobody can tell. */
  readonly neededMs: number | null;
  /** 95 % for the share of bad legs, as if one had looked only now. */
  readonly interval: Interval;
  /** p0 and p1 of the test. */
  readonly tolerated: number;
  readonly aimed: number;
}

export interface LatencyResult extends TestResult {
  readonly budgetMs: number;
}

export interface StratumResult extends TestResult {
  readonly eventType: string;
  readonly consumer: string;
  readonly unjudged: number;
  readonly pending: number;
  readonly bothApplied: number;
  /** Null where the mapping has no callback to compare with, or no budget. */
  readonly latency: LatencyResult | null;
  readonly waiver: Waiver | null;
}

const HOUR_MS = 3_600_000;

/** m of the rule for UNSAFE: every test of every known stratum, so that it does not depend on what was seen. */
export function testsIn(strata: readonly StratumCounts[]): number {
  return strata.reduce((tests, { latency }) => tests + (latency === undefined ? 1 : 2), 0);
}

/** Throws RangeError for counts that cannot be, or a `tolerated` outside of 0 to 1. */
export function testStratum(counts: StratumCounts, tests: number): StratumResult {
  const { latency, waiver, tolerated } = counts;
  return {
    eventType: counts.eventType,
    consumer: counts.consumer,
    ...testCounts(counts, tolerated, tests),
    unjudged: counts.unjudged,
    pending: counts.pending,
    bothApplied: counts.bothApplied,
    latency:
      latency === undefined ? null : { ...testCounts(latency, tolerated, tests), budgetMs: latency.budgetMs },
    waiver: waiver ?? null,
  };
}

function testCounts(
  { legs, bad, legsPerHour }: TestCounts,
  ownTolerated: number | undefined,
  tests: number,
): TestResult {
  if (!(bad >= 0 && bad <= legs)) throw new RangeError(`${bad} bad of ${legs} legs cannot be`);
  const evidence = { legs, bad };
  const shares = sharesOf(ownTolerated);
  const needed = neededCleanLegs(evidence, shares);
  return {
    legs,
    bad,
    legsPerHour,
    finding: isUnsafe(evidence, shares, tests) ? 'unsafe' : isSafe(evidence, shares) ? 'safe' : 'open',
    log10E: logE(evidence, shares) / Math.LN10,
    neededCleanLegs: needed,
    neededMs: timeFor(needed, legsPerHour),
    interval: clopperPearson(evidence),
    tolerated: shares.tolerated,
    aimed: shares.aimed,
  };
}

function timeFor(legs: number, perHour: number | null): number | null {
  if (legs === 0) return 0;
  return perHour === null || perHour <= 0 ? null : Math.ceil((legs / perHour) * HOUR_MS);
}
