/**
 * The outcome of a leg. Pure: what was seen, and what is known about the sources, decide it.
 *
 * The first row that applies:
 *
 * | outcome | when | evidence |
 * |---|---|---|
 * | invalid | an event of it does not fit the catalog | bad |
 * | refused | every callback of it was answered 4xx, 5xx or not at all, or nobody knows how | none |
 * | mismatch | both paths, and a compared field or the outcome differs, or one path changed what it said | bad |
 * | missingEvent | an accepted callback and no event; or the event is known not to have arrived | bad; in a gap: none |
 * | missingCallback | an event, no callback though the mapping has one | none |
 * | duplicate | one path more than once, or both paths had their effect | bad, where it is not only the callback; else none |
 * | outOfOrder | an earlier attempt's event came after it; a beginning after what it begins | bad |
 * | late | the event came later than the callback by more than the window | bad |
 * | match | otherwise | good |
 *
 * The budget is no part of this: what came beyond it and within the window is for the latency test, and nothing else.
 */
import type { Attempt } from './attempts.js';
import { differencesOf, isSame, legOf } from './content.js';
import type { Details, DifferenceShown, MissingBecause } from './details.js';
import type { Mapping } from './mapping.js';
import { isAccepted, type Observation, shownField, timesSeen } from './observation.js';
import { ABSENT } from './values.js';

export const OUTCOMES = [
  ...['match', 'mismatch', 'missingEvent', 'missingCallback', 'duplicate', 'late', 'refused', 'invalid'],
  'outOfOrder',
] as const satisfies readonly string[];
export type Outcome =
  | 'match'
  | 'mismatch'
  | 'missingEvent'
  | 'missingCallback'
  | 'duplicate'
  | 'late'
  | 'refused'
  | 'invalid'
  | 'outOfOrder';

export type Evidence = 'good' | 'bad' | 'none';

/** A leg that was judged. */
export interface JudgedLeg {
  /** Index of the mapping's leg: the stratum. That of the callback where the two paths differ about the outcome. */
  readonly leg: number;
  readonly job: string;
  /** From 1, within what is remembered of the job. */
  readonly attempt: number;
  readonly outcome: Outcome;
  readonly evidence: Evidence;
  /** Both paths had their effect: UNSAFE at once. */
  readonly bothApplied: boolean;
  /** Time of the first observation. Milliseconds since 1970, as all times here. */
  readonly firstAt: number;
  /** From the accepted callback to the event, in milliseconds; negative where the event came first. Null without either. */
  readonly lagMs: number | null;
  /** How long the receiver took to answer the callback; null for unknown. */
  readonly callbackMs: number | null;
  /** What was seen where: lines of the files, 0 for none. */
  readonly lines: { readonly callback: number; readonly event: number };
  /** Absent for a match. */
  readonly details?: Details;
}

/** What judging needs to know beside the leg. */
export interface Circumstances {
  readonly mapping: Mapping;
  readonly windowMs: number;
  /** Whether a source of this path may have missed something in that time. */
  inGap(path: 'callback' | 'event', from: number, to: number): boolean;
  /** Whether the consumer reports what it consumes. */
  reports(consumer: string): boolean;
}

export interface Position {
  readonly attempt: number;
  /** The event of an earlier attempt came after this one's, or a beginning after what it begins. */
  readonly outOfOrder?: 'attempts' | 'begin';
}

/** Judges one fact of one attempt. */
export function judgeLeg(
  { callbacks, events, hints, firstAt }: Attempt,
  position: Position,
  circumstances: Circumstances,
): JudgedLeg {
  const { mapping } = circumstances;
  const accepted = callbacks.filter(isAccepted);
  const [callback] = accepted;
  const [event] = events;
  const one = callback ?? callbacks[0] ?? event ?? hints[0];
  if (one === undefined) throw new RangeError('a leg without an observation');
  const leg = legOf(mapping, one);
  const lagMs = callback && event ? event.at - callback.at : null;
  const seen = { callbacks, accepted, events, hints, lagMs };
  const bothApplied = bothHadTheirEffect(hints);
  const found = findingOf(seen, bothApplied, firstAt, position, circumstances);
  return {
    leg: leg.index,
    job: one.job,
    attempt: position.attempt,
    outcome: found.outcome,
    evidence: found.evidence,
    ...(found.details && { details: found.details }),
    bothApplied,
    firstAt,
    lagMs,
    callbackMs: callback && callback.tookMs !== ABSENT ? callback.tookMs : null,
    lines: { callback: callbacks[0]?.line ?? 0, event: event?.line ?? 0 },
  };
}

interface Seen {
  readonly callbacks: readonly Observation[];
  readonly accepted: readonly Observation[];
  readonly events: readonly Observation[];
  readonly hints: readonly Observation[];
  readonly lagMs: number | null;
}

interface Found {
  readonly outcome: Outcome;
  readonly evidence: Evidence;
  readonly details?: Details;
}

const MATCH: Found = { outcome: 'match', evidence: 'good' };

function findingOf(
  seen: Seen,
  bothApplied: boolean,
  firstAt: number,
  position: Position,
  circumstances: Circumstances,
): Found {
  const { callbacks, accepted, events, lagMs } = seen;
  const { mapping, windowMs } = circumstances;
  const invalid = events.find(({ valid }) => !valid);
  if (invalid) {
    return {
      outcome: 'invalid',
      evidence: 'bad',
      details: { kind: 'invalid', problem: invalid.words ?? '' },
    };
  }
  if (callbacks.length > 0 && accepted.length === 0) return refused(callbacks);
  const fields = differencesAmong(mapping, accepted, events);
  if (fields.length > 0)
    return { outcome: 'mismatch', evidence: 'bad', details: { kind: 'mismatch', fields } };
  const because = missingBecause(seen, firstAt, circumstances);
  if (because !== undefined) {
    const evidence = because === 'collector-gap' ? 'none' : 'bad';
    return { outcome: 'missingEvent', evidence, details: { kind: 'missingEvent', because } };
  }
  const expectsCallback = events.some((event) => legOf(mapping, event).route !== undefined);
  if (accepted.length === 0 && expectsCallback) {
    const inGap = circumstances.inGap('callback', firstAt, firstAt + windowMs);
    return { outcome: 'missingCallback', evidence: 'none', details: { kind: 'missingCallback', inGap } };
  }
  const times = { callbacks: count(accepted), events: count(events) };
  if (times.callbacks > 1 || times.events > 1 || bothApplied) {
    const evidence = times.events > 1 || bothApplied ? 'bad' : 'none';
    const sameMessage = new Set(events.map(({ message }) => message)).size === 1;
    return {
      outcome: 'duplicate',
      evidence,
      details: { kind: 'duplicate', ...times, sameMessage, bothApplied },
    };
  }
  if (position.outOfOrder !== undefined) {
    return {
      outcome: 'outOfOrder',
      evidence: 'bad',
      details: { kind: 'outOfOrder', what: position.outOfOrder },
    };
  }
  if (lagMs !== null && lagMs > windowMs) {
    // An earlier copy may have been missed; and where the collector was held up, so was this one.
    const held = circumstances.inGap('event', firstAt, firstAt + lagMs);
    return { outcome: 'late', evidence: held ? 'none' : 'bad', details: { kind: 'late', byMs: lagMs } };
  }
  return MATCH;
}

function count(observations: readonly Observation[]): number {
  return observations.reduce((sum, each) => sum + timesSeen(each), 0);
}

function bothHadTheirEffect(hints: readonly Observation[]): boolean {
  const applied = hints.filter(({ kind }) => kind === 'applied');
  return applied.some(({ via }) => via === 'callback') && applied.some(({ via }) => via === 'event');
}

function refused(callbacks: readonly Observation[]): Found {
  const last = callbacks.at(-1);
  return {
    outcome: 'refused',
    evidence: 'none',
    details: {
      kind: 'refused',
      status: last?.status ?? 0,
      times: count(callbacks),
      drifts: last?.drifts ?? [],
      ...(last?.alias !== undefined && { alias: last.alias }),
      ...(last?.words !== undefined && { words: last.words }),
    },
  };
}

/** Between the two paths, and within each: what it said first against what it said later. */
function differencesAmong(
  mapping: Mapping,
  accepted: readonly Observation[],
  events: readonly Observation[],
): DifferenceShown[] {
  const [callback] = accepted;
  const [event] = events;
  if (callback === undefined || event === undefined) return [];
  if (accepted.length === 1 && events.length === 1 && isSame(mapping, callback, event)) return [];
  const shown = (observation: Observation, field: number) =>
    field === -1
      ? legOf(mapping, observation).eventType
      : shownField(observation, legOf(mapping, observation), field);
  const between = events.map((each) => ({ a: callback, b: each, changed: each === event ? '' : 'event' }));
  const within = accepted.slice(1).map((each) => ({ a: each, b: event, changed: 'callback' }));
  const byName = new Map<string, DifferenceShown>();
  for (const { a, b, changed } of [...between, ...within]) {
    for (const { name, ofCallback, ofEvent } of differencesOf(mapping, a, b)) {
      if (byName.has(name)) continue;
      const values = { callback: shown(a, ofCallback), event: shown(b, ofEvent) };
      byName.set(name, {
        field: name,
        ...(values.callback !== undefined && { callback: values.callback }),
        ...(values.event !== undefined && { event: values.event }),
        ...(changed === 'callback' || changed === 'event' ? { changed } : {}),
      });
    }
  }
  return [...byName.values()];
}

/** Undefined when the event arrived, or when nobody can say that one should have. */
function missingBecause(
  { accepted, events, hints }: Seen,
  firstAt: number,
  { mapping, windowMs, inGap, reports }: Circumstances,
): MissingBecause | undefined {
  const has = (kind: Observation['kind']) => hints.some((hint) => hint.kind === kind);
  const [event] = events;
  if (event !== undefined) {
    if (has('consumed') || event.kind === 'consumed') return undefined;
    if (has('deadLettered')) return 'dead-lettered';
    return reports(legOf(mapping, event).consumer) ? 'not-consumed' : undefined;
  }
  if (accepted.length === 0 && !has('unrouted') && !has('deadLettered')) return undefined;
  if (inGap('event', firstAt - windowMs, firstAt + windowMs)) return 'collector-gap';
  if (has('unrouted')) return 'unroutable';
  return has('deadLettered') ? 'dead-lettered' : 'not-published';
}
