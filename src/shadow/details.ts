/** What is known about a leg that is not a match, beyond its outcome. Fit to be stored: values are redacted and short. */
import type { Drift } from './drift.js';

/** How far a missing event got. */
export type MissingBecause =
  /** A source of events may have missed it. */
  | 'collector-gap'
  /** Seen on its exchange, and no binding leads to the consumer. */
  | 'unroutable'
  /** Seen in the consumer's dead-letter queue. */
  | 'dead-lettered'
  /** Seen at the consumer's binding; the consumer reports what it consumes, and this is not among it. */
  | 'not-consumed'
  | 'not-published';

export interface DifferenceShown {
  readonly field: string;
  /** As JSON, `(absent)` or `(redacted)`; not there when it is no longer known. */
  readonly callback?: string;
  readonly event?: string;
  /** The path that said it otherwise before. */
  readonly changed?: 'callback' | 'event';
}

export type Details =
  | { readonly kind: 'invalid'; readonly problem: string }
  | {
      readonly kind: 'refused';
      /** 0 for no answer, UNKNOWN_STATUS where nobody can tell. */
      readonly status: number;
      readonly times: number;
      readonly drifts: readonly Drift[];
      readonly alias?: string;
      readonly words?: string;
    }
  | { readonly kind: 'mismatch'; readonly fields: readonly DifferenceShown[] }
  | { readonly kind: 'missingEvent'; readonly because: MissingBecause }
  | { readonly kind: 'missingCallback'; readonly inGap: boolean }
  | {
      readonly kind: 'duplicate';
      readonly callbacks: number;
      readonly events: number;
      /** All copies of the event have one message id. */
      readonly sameMessage: boolean;
      readonly bothApplied: boolean;
    }
  | { readonly kind: 'outOfOrder'; readonly what: 'begin' | 'attempts' }
  | { readonly kind: 'late'; readonly byMs: number };
