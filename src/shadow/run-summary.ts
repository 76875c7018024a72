/** All that the verdict and the reports need of a run. Plain JSON: live runs store it, files give it at their end. */
import type { Counts, OutcomeCounts } from './counts.js';
import type { DifferenceShown } from './details.js';
import type { Finding } from './findings.js';
import type { LatencyJson } from './latency.js';
import type { Evidence, Outcome } from './leg.js';
import type { SkewEstimate } from './skew.js';
import type { Gap } from './strata.js';
import type { UnmappedField } from './unmapped.js';
import type { SourcePath } from './watermarks.js';

export interface RunSummary {
  readonly counts: Counts;
  readonly findings: readonly Finding[];
  /** Fields that the mapping neither compares nor ignores. */
  readonly unmapped: readonly UnmappedField[];
  readonly observations: number;
  /** When the first and the last observation was made; null without any. Milliseconds since 1970, as all times here. */
  readonly from: number | null;
  readonly to: number | null;
  /** How long a leg waits at present. */
  readonly windowMs: number;
  /** An event that comes later than its callback by more than this counts against latency; null where none does. */
  readonly budgetMs: number | null;
  readonly sources: readonly SourceSummary[];
  readonly gaps: readonly Gap[];
  /** Why nothing can be said for certain, in words; empty when something can. */
  readonly doubts: readonly string[];
  /** One for each leg of the mapping that has a callback, in its order. */
  readonly latencies: readonly StratumLatencies[];
  readonly timeline: Timeline;
  /** Of the event source's clock against that of the callback source; null where both are of one host. */
  readonly skew: SkewEstimate | null;
}

export interface SourceSummary {
  readonly source: string;
  readonly path: SourcePath;
  /** Up to when it has told everything; null before it told anything. */
  readonly watermark: number | null;
  /** Since when its watermark should have moved and did not; null while it does. */
  readonly stalledSince: number | null;
}

export interface StratumLatencies {
  readonly eventType: string;
  readonly consumer: string;
  /** How long the receiver took to answer an accepted callback. */
  readonly callback: LatencyJson;
  /** From the callback to the event; negative where the event came first. */
  readonly lag: LatencyJson;
}

/** Outcomes by the time at which a leg was first seen. Buckets without a leg are left out. */
export interface Timeline {
  readonly bucketMs: number;
  readonly buckets: readonly { readonly at: number; readonly outcomes: OutcomeCounts }[];
}

/** A leg that did not match, as lists show it. Fit to be stored: nothing in it is more than a redacted field. */
export interface LegRow {
  /** Names the leg in its run; the same when it is judged anew. */
  readonly key: string;
  /** When it was first seen. */
  readonly at: number;
  readonly eventType: string;
  readonly consumer: string;
  readonly job: string;
  readonly attempt: number;
  readonly outcome: Exclude<Outcome, 'match'>;
  readonly evidence: Evidence;
  readonly says: string;
  readonly todo?: string;
  /** Of a mismatch. */
  readonly fields?: readonly DifferenceShown[];
  /** Lines of the files, 0 for none. */
  readonly lines: { readonly callback: number; readonly event: number };
}
