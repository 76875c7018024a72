/**
 * Why and where a dead letter died, from what its headers tell: our consumers' `x-failure`, or the broker's `x-death`.
 * Headers come from any software: what has not the expected shape counts as not there, and nothing here throws.
 */
import { type FailureReason, type FailureRecord, readFailure } from '../core/consuming/failure-record.js';
import { readReplay, readRetry } from '../core/consuming/origin.js';
import { isoTimeOfSeconds } from '../core/events/iso-time.js';
import {
  type Headers,
  type HeaderValue,
  isTypedHeader,
  plainHeader,
  type ReceivedMessage,
} from '../core/message.js';

/** Reasons that a broker gives for itself, as `x-death` spells them. */
export const BROKER_REASONS = ['rejected', 'expired', 'maxlen', 'delivery_limit'] as const;
export type DeathReason = FailureReason | (typeof BROKER_REASONS)[number] | 'unknown';

/** One entry of `x-death`: all deaths in one queue for one reason. */
export interface DeathEntry {
  /** Undefined when the entry names none. */
  readonly queue: string | undefined;
  readonly reason: DeathReason;
  /** How often; 1 where the entry does not say. */
  readonly count: number;
  /** Of the first of these deaths: brokers keep the time when they count up. ISO 8601. */
  readonly time: string | undefined;
  /** What it was published with when it first died there. */
  readonly exchange: string | undefined;
  readonly routingKeys: readonly string[];
}

export interface Death {
  readonly reason: DeathReason;
  /** The queue that gave it up; undefined when nothing tells. */
  readonly failedQueue: string | undefined;
  /** What it was first published with; the dead letter's own where nothing tells. */
  readonly exchange: string;
  readonly routingKey: string;
  /** How often its handler failed, or how often the failed queue gave it up for this reason; 0 when nothing tells. */
  readonly attempts: number;
  /** ISO 8601; undefined when nothing tells. */
  readonly firstDiedAt: string | undefined;
  /** The latest death with a known time; of repeated deaths in one queue the broker keeps only the first. */
  readonly lastDiedAt: string | undefined;
  /** Only where one of our consumers gave it up. */
  readonly record: FailureRecord | undefined;
  /** The entries of `x-death`, newest first, those about the dead-letter queue itself included. */
  readonly history: readonly DeathEntry[];
}

/**
 * Reads the death of a message that waits in `queue`.
 *
 * | the message carries | failed queue, reason | exchange and routing key |
 * |---|---|---|
 * | `x-failure` | of the record | of the record |
 * | `x-death` only | of its newest entry that is not about `queue` | of `x-retry` or `x-replay` where it has one, else of the entry that `x-first-death-…` names, else of the oldest |
 * | neither | unknown | of `x-retry` or `x-replay`, else its own |
 *
 * `x-first-death-…` because the oldest entry need not be the last: brokers move an entry to the front when they count it up.
 */
export function readDeath(message: ReceivedMessage, queue: string): Death {
  const headers = message.properties.headers ?? {};
  const history = entriesIn(headers);
  const record = readFailure(message);
  if (record !== undefined) {
    return {
      reason: record.reason,
      failedQueue: record.queue,
      exchange: record.exchange,
      routingKey: record.routingKey,
      attempts: record.attempts,
      firstDiedAt: isoText(record.firstFailedAt),
      lastDiedAt: isoText(record.lastFailedAt),
      record,
      history,
    };
  }
  const isElsewhere = (entry: DeathEntry) => entry.queue !== undefined && entry.queue !== queue;
  const newest = history.find(isElsewhere);
  let first: string | undefined;
  let last: string | undefined;
  for (const entry of history) {
    const { time } = entry;
    if (time === undefined || (newest !== undefined && !isElsewhere(entry))) continue;
    if (first === undefined || time < first) first = time;
    if (last === undefined || time > last) last = time;
  }
  return {
    reason: newest?.reason ?? 'unknown',
    failedQueue: newest?.queue,
    ...originOf(message, headers, history),
    attempts: newest?.count ?? 0,
    firstDiedAt: first,
    lastDiedAt: last,
    record: undefined,
    history,
  };
}

function originOf(
  message: ReceivedMessage,
  headers: Headers,
  history: readonly DeathEntry[],
): Pick<Death, 'exchange' | 'routingKey'> {
  const kept = readRetry(headers) ?? readReplay(headers);
  if (kept !== undefined) return { exchange: kept.exchange, routingKey: kept.routingKey };
  const queue = headers['x-first-death-queue'];
  const reason = headers['x-first-death-reason'];
  const first = history.find((entry) => entry.queue === queue && entry.reason === reason) ?? history.at(-1);
  return {
    exchange: first?.exchange ?? message.exchange,
    routingKey: first?.routingKeys[0] ?? message.routingKey,
  };
}

function entriesIn(headers: Headers): DeathEntry[] {
  const deaths = headers['x-death'];
  const entries: DeathEntry[] = [];
  if (!Array.isArray(deaths)) return entries;
  for (const death of deaths as readonly HeaderValue[]) {
    const entry = entryOf(death);
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

function entryOf(value: HeaderValue): DeathEntry | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isTypedHeader(value))
    return undefined;
  const { queue, reason, count, time, exchange, 'routing-keys': keys } = value as Headers;
  const times = Number(plainOf(count));
  return {
    queue: textOf(queue),
    reason: reasonOf(reason),
    count: Number.isSafeInteger(times) && times > 0 ? times : 1,
    time: isoSeconds(plainOf(time)),
    exchange: textOf(exchange),
    routingKeys: Array.isArray(keys) ? keys.filter((key: HeaderValue) => typeof key === 'string') : [],
  };
}

function plainOf(value: HeaderValue | undefined): HeaderValue | undefined {
  return value === undefined ? undefined : plainHeader(value);
}

function reasonOf(value: HeaderValue | undefined): DeathReason {
  return BROKER_REASONS.find((known) => known === value) ?? 'unknown';
}

function textOf(value: HeaderValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** AMQP counts seconds. What lies outside of JavaScript's dates is no time. */
function isoSeconds(value: HeaderValue | undefined): string | undefined {
  // Beyond what a double holds exactly a timestamp comes as text, which is no date either.
  return typeof value === 'number' ? sortable(isoTimeOfSeconds(value)) : undefined;
}

function isoText(text: string): string | undefined {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : sortable(date.toISOString());
}

/** Years beyond 9999 are written with a sign and would not sort as text. */
function sortable(time: string | undefined): string | undefined {
  return time === undefined || time.startsWith('+') || time.startsWith('-') ? undefined : time;
}
