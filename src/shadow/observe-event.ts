/** A line of `tail` as observations: one per consumer that the event reaches. */
import { EventsError, type FieldIssue } from '../core/errors.js';
import { describeIssues } from '../core/events/field-issues.js';
import type { EventRecord } from '../core/events/record.js';
import { HEADER_CALLBACKS } from '../core/migration/stamp.js';
import { parseDeliveryRecord } from '../legacy/delivery-record.js';
import { NO_DRIFTS } from './drift.js';
import type { Leg, Mapping } from './mapping.js';
import {
  type Extra,
  type Observation,
  type ObservationKind,
  type Observed,
  unnamedJob,
} from './observation.js';
import { contentOf, countUnmapped, jobOf, millisecondsAt, timeOf } from './observe.js';
import { redactWords } from './redact-words.js';
import type { UnmappedCounter } from './unmapped.js';
import { ABSENT, hashOf, shortText } from './values.js';

/** A record whose fields were checked. */
export type ReadEvent = Pick<EventRecord, 'exchange' | 'routingKey' | 'messageId' | 'event' | 'valid'> & {
  readonly atMs: number;
  readonly type: string;
  readonly errors: readonly FieldIssue[];
  /** The queue that gave it up, when it is a dead letter. */
  readonly deadLetterOf: string | undefined;
  /** It is no event, but what a consumer reports to have done with one. */
  readonly report: Report | undefined;
  /** The dispatcher says that it sent no callbacks for this fact: there is nothing to compare it with. */
  readonly withoutCallbacks: boolean;
};

interface Report {
  readonly consumer: string;
  readonly kind: 'consumed' | 'applied';
  readonly via: 'callback' | 'event';
}

/** The record that a line holds. Throws `input-invalid` with what is wrong. */
export function readEvent(value: unknown): ReadEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('expected an object');
  if ('did' in value) return readReport(value);
  const record = value as { [K in keyof EventRecord]?: unknown };
  const { receivedAt, exchange, routingKey, messageId, type, headers, valid, errors, event } = record;
  const atMs = timeOf(receivedAt);
  if (Number.isNaN(atMs)) throw wrong('"receivedAt" is not an ISO 8601 time');
  if (typeof exchange !== 'string') throw wrong('"exchange" is not a text');
  if (typeof routingKey !== 'string') throw wrong('"routingKey" is not a text');
  if (typeof valid !== 'boolean') throw wrong('"valid" is neither true nor false');
  return {
    exchange,
    routingKey,
    messageId: typeof messageId === 'string' ? messageId : null,
    event,
    valid,
    atMs,
    type: typeof type === 'string' && type !== '' ? type : routingKey,
    errors: valid ? [] : issuesOf(errors),
    deadLetterOf: queueThatGaveUp(headers),
    report: undefined,
    withoutCallbacks: saysNotSent(headers),
  };
}

/** A line of `recordDelivery`. */
function readReport(value: object): ReadEvent {
  const { at, consumer, did, via, type, messageId, event } = parseDeliveryRecord(value);
  return {
    exchange: '',
    routingKey: '',
    messageId: messageId ?? null,
    event,
    valid: true,
    atMs: Date.parse(at),
    type,
    errors: [],
    deadLetterOf: undefined,
    report: { consumer, kind: did === 'acked' ? 'consumed' : 'applied', via },
    withoutCallbacks: false,
  };
}

function wrong(what: string): EventsError {
  return new EventsError('input-invalid', `Not a recorded event: ${what}`, {
    hint: 'Lines are those of tail --json or tail --save.',
  });
}

function issuesOf(errors: unknown): readonly FieldIssue[] {
  if (!Array.isArray(errors)) return [];
  return errors.filter(
    (issue): issue is FieldIssue => typeof issue?.path === 'string' && typeof issue?.message === 'string',
  );
}

function queueThatGaveUp(headers: unknown): string | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined;
  const queue = (headers as Record<string, unknown>)['x-first-death-queue'];
  return typeof queue === 'string' ? queue : undefined;
}

/** By that header alone: whoever wrote it sent no callbacks, also where the rest of its stamp is damaged. */
function saysNotSent(headers: unknown): boolean {
  if (typeof headers !== 'object' || headers === null) return false;
  return (headers as Record<string, unknown>)[HEADER_CALLBACKS] === 'not-sent';
}

/**
 * What an event says about which legs. `line` is where it came from, for reports.
 *
 * An event whose callbacks were not sent (`rampdown` outside the sample, `complete`) is left out of legs that have one,
 * and counted as such: its leg would only ever be "missing callback". What is wrong with the event by itself is kept:
 * one that does not fit the catalog, that no binding leads to its consumer, or that the consumer gave up.
 */
export function observeEvent(
  mapping: Mapping,
  record: ReadEvent,
  source: string,
  line: number,
  unmapped?: UnmappedCounter,
): Observed {
  const { type, atMs: at } = record;
  const what = shortText(type);
  if (record.report !== undefined) {
    const { consumer, kind } = record.report;
    const legs = mapping.legs.filter((leg) => leg.consumer === consumer && leg.eventType === type);
    if (legs.length > 0) return collect(legs, kind, record, source, line);
    return { observations: [], extra: [{ source, at, line, reason: 'unexpected-consumer', what }] };
  }
  if (record.deadLetterOf !== undefined) {
    const legs = mapping.atQueue(record.deadLetterOf, type);
    if (legs.length > 0) return collect(legs, 'deadLettered', record, source, line);
  }
  const { reached, unrouted, strangers } = mapping.receivers(record.exchange, record.routingKey, type);
  const isLeftOut = ({ route }: Leg) => record.withoutCallbacks && record.valid && route !== undefined;
  const leftOut = record.withoutCallbacks ? reached.filter(isLeftOut) : [];
  const compared = leftOut.length === 0 ? reached : reached.filter((leg) => !isLeftOut(leg));
  const sighted = collect(compared, 'event', record, source, line, unmapped);
  const astray = unrouted.length === 0 ? undefined : collect(unrouted, 'unrouted', record, source, line);
  const extra: Extra[] = [...sighted.extra, ...(astray?.extra ?? [])];
  if (reached.length + unrouted.length + strangers === 0) {
    extra.push({ source, at, line, reason: 'unknown-event', what });
  }
  for (let count = 0; count < strangers; count++) {
    extra.push({ source, at, line, reason: 'unexpected-consumer', what });
  }
  if (astray === undefined && extra.length === 0 && leftOut.length === 0) return sighted;
  return {
    observations: [...sighted.observations, ...(astray?.observations ?? [])],
    extra,
    ...(leftOut.length > 0 && { leftOut: leftOut.map(({ index }) => index) }),
  };
}

function collect(
  legs: readonly Leg[],
  kind: ObservationKind,
  record: ReadEvent,
  source: string,
  line: number,
  unmapped?: UnmappedCounter,
): Observed {
  const observations: Observation[] = [];
  const extra: Extra[] = [];
  const message = record.messageId === null ? ABSENT : hashOf(record.messageId);
  for (const leg of legs) {
    const job = jobOf(leg, 'event', record.event) ?? unnamed(record, line);
    if (job === undefined) {
      extra.push({ source, at: record.atMs, line, reason: 'no-job', what: shortText(record.type) });
      continue;
    }
    countUnmapped(unmapped, leg, 'event', record.event);
    const { tokens, values, identity } = contentOf(leg, 'event', record.event);
    observations.push({
      source,
      kind,
      leg: leg.index,
      job,
      at: record.atMs,
      tokens,
      identity,
      message,
      line,
      status: 0,
      tookMs: millisecondsAt(record.event, leg.event.tookMs),
      valid: record.valid,
      via: record.report?.via,
      alias: undefined,
      drifts: NO_DRIFTS,
      words: record.valid
        ? undefined
        : shortText(redactWords(describeIssues(record.errors), record.event, leg.event.redacted)),
      more: 0,
      values,
      shown: undefined,
    });
  }
  return { observations, extra };
}

/** An invalid event that names no job is a leg of its own: somebody was meant to hear of it, and cannot. */
function unnamed({ valid, messageId }: ReadEvent, line: number): string | undefined {
  return valid ? undefined : unnamedJob(messageId === null ? `line ${line}` : shortText(messageId));
}
