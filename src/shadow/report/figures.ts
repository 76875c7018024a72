/** Figures that every report tells alike. */
import { FARTHEST_MS, isoTime } from '../../core/events/iso-time.js';
import type { StratumTally } from '../counts.js';
import { type LatencyJson, latencySketch } from '../latency.js';
import { type Evidence, OUTCOMES, type Outcome } from '../leg.js';
import type { Extra } from '../observation.js';
import { about } from '../quantities.js';
import type { RunSummary, StratumLatencies } from '../run-summary.js';
import type { StratumResult, TestResult } from '../strata.js';
import type { Judgement } from '../verdict.js';

/** Milliseconds, within 1 % of the true ones; null where nothing was measured. */
export interface Percentiles {
  readonly count: number;
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

export function percentilesOf(json: LatencyJson): Percentiles {
  const sketch = latencySketch(json);
  const at = (q: number) => rounded(sketch.quantile(q));
  return { count: sketch.count, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: rounded(sketch.max) };
}

/** A sketch knows its quantiles to 1 %: more digits than a tenth of a millisecond tell nothing. */
function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 10) / 10;
}

/** All that is known of one stratum. */
export interface StratumFigures {
  readonly judged: StratumResult;
  /** Undefined for one that was judged and not counted, after the mapping has changed. */
  readonly tally: StratumTally | undefined;
  /** Undefined where there is no callback. */
  readonly times: StratumLatencies | undefined;
}

export function strataOf(summary: RunSummary, judgement: Judgement): StratumFigures[] {
  return judgement.strata.map((judged) => {
    const isOwn = (each: { eventType: string; consumer: string }) =>
      each.eventType === judged.eventType && each.consumer === judged.consumer;
    return { judged, tally: summary.counts.strata.find(isOwn), times: summary.latencies.find(isOwn) };
  });
}

export type Unmatched = Exclude<Outcome, 'match'>;
export const UNMATCHED = OUTCOMES.filter((outcome): outcome is Unmatched => outcome !== 'match');

/** What people call the outcomes. */
export const OUTCOME_NAMES: { readonly [outcome in Outcome]: string } = {
  match: 'match',
  mismatch: 'mismatch',
  missingEvent: 'missing event',
  missingCallback: 'missing callback',
  duplicate: 'duplicate',
  late: 'late',
  refused: 'refused',
  invalid: 'invalid',
  outOfOrder: 'out of order',
};

/** What a cause is worth to the verdict. */
export const EVIDENCE_NAMES: { readonly [evidence in Evidence]: string } = {
  bad: 'counts against',
  none: 'no evidence',
  good: 'no harm',
};

/** Why an observation belongs to no leg. */
export const EXTRA_NAMES: { readonly [reason: string]: string } = {
  'unknown-route': 'no route of the mapping fits',
  'no-job': 'names no job',
  'unknown-event': 'an event type without a leg',
  'unexpected-consumer': 'reaches a consumer without a leg for it',
} satisfies { readonly [reason in Extra['reason']]: string };

/** When the clean legs that are still needed will have come. */
export function waitText({ neededMs, legsPerHour }: TestResult): string {
  if (neededMs !== null) return about(neededMs);
  return legsPerHour === null ? 'too early to tell' : 'none come at present';
}

/** What the verdict means for whoever waits for it. */
export const MEANING: { readonly [verdict in Judgement['verdict']]: string } = {
  SAFE: 'The events can replace the callbacks.',
  UNSAFE: 'The callbacks must stay: what the events bring is not the same.',
  INCONCLUSIVE: 'Nothing is shown yet, in either direction: keep both paths running.',
};

/** The same in one line, with when it will be SAFE where time alone brings it. */
export function meaningOf({ verdict, safeInMs }: Pick<Judgement, 'verdict' | 'safeInMs'>): string {
  const wait =
    safeInMs === null || safeInMs === 0 ? '' : ` SAFE in ${about(safeInMs)}, if every leg is good.`;
  return `${MEANING[verdict]}${wait}`;
}

/** ISO 8601; null for what is no time, such as the end of a source that has ended. */
export function isoOf(ms: number | null): string | null {
  if (ms === null || !(Math.abs(ms) <= FARTHEST_MS)) return null;
  return isoTime(ms);
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** `12 ms`, `1.5 s`, `−3 min`: three digits. */
export function shortTime(ms: number | null): string {
  if (ms === null) return '–';
  const size = Math.abs(ms);
  const [unit, length] = UNITS.find(([, least]) => size >= least) ?? ['ms', 1];
  const digits = size / length >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 };
  return `${ms < 0 ? '−' : ''}${(size / length).toLocaleString('en-US', digits)} ${unit}`;
}
