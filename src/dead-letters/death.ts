/**
 * Why and where a dead letter died, from what its headers tell: our consumers' `x-failure`, or the broker's `x-death`.
 * Headers come from any software: what has not the expected shape counts as not there, and nothing here throws.
 */
import { type FailureReason, type FailureRecord, readFailure } from '../core/consuming/failure-record.js';
import { readReplay, readRetry } from '../core/consuming/origin.js';
import { type Headers, type HeaderValue, plainHeader, type ReceivedMessage } from '../core/message.js';

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
  const elsewhere = history.filter((entry) => entry.queue !== undefined && entry.queue !== queue);
  const newest = elsewhere[0];
  const times = (newest === undefined ? history : elsewhere).flatMap(({ time }) => time ?? []).toSorted();
  return {
    reason: newest?.reason ?? 'unknown',
    failedQueue: newest?.queue,
    ...originOf(message, headers, history),
    attempts: newest?.count ?? 0,
    firstDiedAt: times[0],
    lastDiedAt: times.at(-1),
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
  return Array.isArray(deaths) ? deaths.flatMap((death: HeaderValue) => entryOf(death) ?? []) : [];
}

function entryOf(value: HeaderValue): DeathEntry | undefined {
  const plain = plainHeader(value);
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) return undefined;
  const { queue, reason, count, time, exchange, 'routing-keys': keys } = plain as Headers;
  const times = Number(count);
  return {
    queue: textOf(queue),
    reason: BROKER_REASONS.find((known) => known === reason) ?? 'unknown',
    count: Number.isSafeInteger(times) && times > 0 ? times : 1,
    time: isoSeconds(time),
    exchange: textOf(exchange),
    routingKeys: Array.isArray(keys) ? keys.flatMap((key: HeaderValue) => textOf(key) ?? []) : [],
  };
}

function textOf(value: HeaderValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** AMQP counts seconds. What lies outside of JavaScript's dates is no time. */
function isoSeconds(value: HeaderValue | undefined): string | undefined {
  // Beyond what a double holds exactly a timestamp comes as text, which is no date either.
  return typeof value === 'number' ? isoDate(new Date(value * 1000)) : undefined;
}

function isoText(text: string): string | undefined {
  return isoDate(new Date(text));
}

function isoDate(date: Date): string | undefined {
  // Years beyond 9999 are written with a sign and would not sort as text.
  const year = date.getUTCFullYear();
  return year >= 0 && year <= 9999 ? date.toISOString() : undefined;
}
