/** The JSON of a report. Its names are a public contract: the first three keys, and all that is in them. */
import type { ExtraCount, OutcomeCounts } from '../counts.js';
import type { Finding } from '../findings.js';
import type { RunSummary } from '../run-summary.js';
import type { SkewEstimate } from '../skew.js';
import type { LatencyResult, TestResult, Waiver } from '../strata.js';
import type { UnmappedField } from '../unmapped.js';
import type { Judgement, Verdict } from '../verdict.js';
import { isoOf, type Percentiles, percentilesOf, type StratumFigures, strataOf } from './figures.js';

/** Counts of legs over the whole run. `extra` counts observations that belong to no leg; `pending`, open legs. */
export interface LegCounts extends OutcomeCounts {
  readonly extra: number;
  readonly pending: number;
}

export interface StratumDocument
  extends Pick<
    TestResult,
    | 'legs'
    | 'bad'
    | 'neededCleanLegs'
    | 'finding'
    | 'neededMs'
    | 'legsPerHour'
    | 'interval'
    | 'tolerated'
    | 'aimed'
    | 'log10E'
  > {
  readonly eventType: string;
  readonly consumer: string;
  /** Closed legs that are no evidence. */
  readonly unjudged: number;
  readonly pending: number;
  readonly bothApplied: number;
  /** Events that were not compared, as their callbacks were not sent (`rampdown`, `complete`). */
  readonly leftOut: number;
  readonly outcomes: OutcomeCounts | null;
  readonly waiver: Waiver | null;
  /** The second test: whether events come within the budget. */
  readonly latency: LatencyResult | null;
  /** How long the receiver took to answer callbacks, and how long after them the events came. */
  readonly callbackMs: Percentiles | null;
  readonly lagMs: Percentiles | null;
}

/** Times are ISO 8601 and null where there is none; lengths of time are in milliseconds. */
export interface ReportDocument {
  readonly legs: LegCounts;
  readonly strata: readonly StratumDocument[];
  readonly verdict: Verdict;
  readonly reasons: Judgement['reasons'];
  /** 0 when it is SAFE; null when time alone does not bring it, or nobody can tell. */
  readonly safeInMs: number | null;
  readonly observations: number;
  readonly from: string | null;
  readonly to: string | null;
  readonly windowMs: number;
  readonly budgetMs: number | null;
  readonly findings: readonly Finding[];
  readonly extra: readonly ExtraCount[];
  readonly unmapped: readonly UnmappedField[];
  readonly sources: readonly {
    readonly source: string;
    readonly path: string;
    readonly watermark: string | null;
    readonly stalledSince: string | null;
  }[];
  /** `from` is null where nobody knows since when, `to` while it lasts. */
  readonly gaps: readonly {
    readonly source: string;
    readonly from: string | null;
    readonly to: string | null;
  }[];
  readonly doubts: readonly string[];
  readonly skew: SkewEstimate | null;
  readonly timeline: {
    readonly bucketMs: number;
    readonly buckets: readonly { readonly at: string | null; readonly outcomes: OutcomeCounts }[];
  };
}

export function reportDocument(summary: RunSummary, judgement: Judgement): ReportDocument {
  const { counts, timeline } = summary;
  return {
    legs: legCounts(summary),
    strata: strataOf(summary, judgement).map(stratumDocument),
    verdict: judgement.verdict,
    reasons: judgement.reasons,
    safeInMs: judgement.safeInMs,
    observations: summary.observations,
    from: isoOf(summary.from),
    to: isoOf(summary.to),
    windowMs: summary.windowMs,
    budgetMs: summary.budgetMs,
    findings: summary.findings,
    extra: counts.extra,
    unmapped: summary.unmapped,
    sources: summary.sources.map(({ source, path, watermark, stalledSince }) => ({
      ...{ source, path, watermark: isoOf(watermark), stalledSince: isoOf(stalledSince) },
    })),
    gaps: summary.gaps.map(({ source, from, to }) => ({
      source,
      from: from <= 0 ? null : isoOf(from),
      to: isoOf(to),
    })),
    doubts: summary.doubts,
    skew: summary.skew,
    timeline: {
      bucketMs: timeline.bucketMs,
      buckets: timeline.buckets.map(({ at, outcomes }) => ({ at: isoOf(at), outcomes })),
    },
  };
}

/** In the order of the contract. */
function legCounts({ counts: { totals } }: RunSummary): LegCounts {
  return {
    match: totals.match,
    mismatch: totals.mismatch,
    missingEvent: totals.missingEvent,
    missingCallback: totals.missingCallback,
    extra: totals.extra,
    duplicate: totals.duplicate,
    late: totals.late,
    refused: totals.refused,
    invalid: totals.invalid,
    outOfOrder: totals.outOfOrder,
    pending: totals.pending,
  };
}

function stratumDocument({ judged, tally, times }: StratumFigures): StratumDocument {
  return {
    eventType: judged.eventType,
    consumer: judged.consumer,
    legs: judged.legs,
    bad: judged.bad,
    neededCleanLegs: judged.neededCleanLegs,
    finding: judged.finding,
    neededMs: judged.neededMs,
    legsPerHour: judged.legsPerHour,
    interval: judged.interval,
    tolerated: judged.tolerated,
    aimed: judged.aimed,
    log10E: judged.log10E,
    unjudged: judged.unjudged,
    pending: judged.pending,
    bothApplied: judged.bothApplied,
    leftOut: tally?.leftOut ?? 0,
    outcomes: tally?.outcomes ?? null,
    waiver: judged.waiver,
    latency: judged.latency,
    callbackMs: times === undefined ? null : percentilesOf(times.callback),
    lagMs: times === undefined ? null : percentilesOf(times.lag),
  };
}
