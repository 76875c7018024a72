/** What was seen: one fact of a job, at one consumer, on one path. */

import type { Drift } from './drift.js';
import type { Leg } from './mapping.js';
import { ABSENT, showValue } from './values.js';

/**
 * - `callback`: a callback was forwarded and answered
 * - `event`: a copy of an event that the consumer's queue is bound to receive
 * - `unrouted`: an event on its exchange that no binding leads to the consumer
 * - `deadLettered`: an event in the dead-letter queue of the consumer's queue
 * - `consumed`: the consumer's own report of a delivery that it acked
 * - `applied`: the consumer's own report that it had its effect, by the path `via`
 */
export type ObservationKind = 'callback' | 'event' | 'unrouted' | 'deadLettered' | 'consumed' | 'applied';

/** Every field is always there: objects of one shape are what keeps millions of them fast and small. */
export interface Observation {
  readonly source: string;
  readonly kind: ObservationKind;
  /** Index of the mapping's leg. */
  readonly leg: number;
  readonly job: string;
  /** Milliseconds since 1970, by the clock of the source. */
  readonly at: number;
  /** The compared fields, in the order of the mapping; empty where the kind has no body. */
  readonly tokens: readonly number[];
  /** Token of what tells attempts apart, or ABSENT. */
  readonly identity: number;
  /** Token of the message's id, or ABSENT. */
  readonly message: number;
  /** Line of the file, or number of the record; 0 for none. */
  readonly line: number;
  /** Of a callback: the answer's status, 0 for no answer, UNKNOWN_STATUS where nobody can tell. */
  readonly status: number;
  /** How long it took, in milliseconds: a callback's answer, or the attempt that an event ends. ABSENT for unknown. */
  readonly tookMs: number;
  /** Of an event: fits the catalog. */
  readonly valid: boolean;
  /** With `applied`. */
  readonly via: 'callback' | 'event' | undefined;
  /** Of a callback on an alias path: that path. */
  readonly alias: string | undefined;
  /** Of a refused callback: what the receiver is known to insist on and did not get. */
  readonly drifts: readonly Drift[];
  /** The receiver's words on a refusal, or what is wrong with an invalid event. Fit to be stored. */
  readonly words: string | undefined;
  /** How many more of the same there were, when it would have been too many to keep. */
  more: number;
  /** Values behind the tokens, as they came; gone once the leg is closed and in order. Never stored. */
  values: readonly unknown[] | undefined;
  /** The same, fit to be stored and shown. */
  shown: readonly string[] | undefined;
}

/** Something seen that belongs to no leg. */
export interface Extra {
  readonly source: string;
  readonly at: number;
  readonly line: number;
  readonly reason:
    | 'unknown-route'
    | 'no-job'
    /** An event type that the mapping has no leg for. */
    | 'unknown-event'
    /** An event type that reaches a consumer of the mapping, which has no leg for it there. */
    | 'unexpected-consumer';
  /** What it was: `POST /path`, or an event type. Fit to be stored. */
  readonly what: string;
}

const UNNAMED = '(no job) ';

/** Stands for the job of an event that names none. */
export const unnamedJob = (what: string) => `${UNNAMED}${what}`;
export const isUnnamedJob = (job: string) => job.startsWith(UNNAMED);

/** What came of one record. */
export interface Observed {
  readonly observations: readonly Observation[];
  readonly extra: readonly Extra[];
  /** Indices of legs that an event reached and is not compared in: its callbacks were not sent. Absent for none. */
  readonly leftOut?: readonly number[];
}

/** The caller went, or the proxy was stopped, before the answer came: the receiver may have accepted it. */
export const UNKNOWN_STATUS = -1;

/** Accepted by its receiver. */
export const isAccepted = ({ status }: Observation) => status >= 200 && status < 400;

/** How often it was seen. */
export const timesSeen = ({ more }: Observation) => 1 + more;

/** The value of one field, as reports show it; undefined when it is no longer known. */
export function shownField(observation: Observation, leg: Leg, field: number): string | undefined {
  if (leg.fields[field]?.redacted) return observation.tokens[field] === ABSENT ? '(absent)' : '(redacted)';
  if (observation.shown) return observation.shown[field];
  return observation.values === undefined ? undefined : showValue(observation.values[field]);
}

/** Everything that is needed to show it, fit to be stored. */
export function shownFields(observation: Observation, leg: Leg): readonly string[] | undefined {
  if (observation.shown) return observation.shown;
  if (observation.values === undefined) return undefined;
  return leg.fields.map((_, field) => shownField(observation, leg, field) ?? '(absent)');
}
