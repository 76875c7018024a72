/**
 * A message on its way through delay queues and replays keeps, in headers of ours, where it came from and how often
 * it failed. `arrive` undoes the journey: what handlers see is the message as it was first published.
 *
 * | header | written by | holds |
 * |---|---|---|
 * | `x-retry` | a consumer, on the copy in a delay queue | attempt, exchange, routing key, first failure, expiration, user id, headers set aside |
 * | `x-replay` | a replay, on the copy that it publishes | replay id, time, exchange, routing key, the failure before |
 */
import { isDeathHeader } from '../broker-headers.js';
import { type Headers, type HeaderValue, plainHeader, type ReceivedMessage } from '../message.js';

export const HEADER_RETRY = 'x-retry';
export const HEADER_REPLAY = 'x-replay';
/** Id of the dead letter whose edited copy this is. */
export const HEADER_EDITED_FROM = 'x-edited-from';

/** What `x-retry` holds. */
export interface RetryHeader {
  /** How often the handler has failed. */
  readonly attempt: number;
  readonly exchange: string;
  readonly routingKey: string;
  /** ISO 8601. */
  readonly firstFailedAt: string;
  /** The message's own time to live, which the delay would otherwise replace. */
  readonly expiration?: string;
  /** The user id it was published with: a note, not proof, because anybody can write a header. */
  readonly userId?: string;
  /** Headers that would have acted on the copy (routed it elsewhere, had it dropped as a cycle). */
  readonly aside?: Headers;
}

/** What `x-replay` holds, as far as a consumer needs it. */
export interface ReplayHeader {
  readonly id: string;
  /** ISO 8601. */
  readonly time: string;
  /** The dead-letter queue it was taken from. */
  readonly from: string;
  readonly exchange: string;
  readonly routingKey: string;
}

/** A message as it was first published, and what has happened to it since. */
export interface Arrival {
  /** Exchange, routing key and headers restored; ready to be decoded and handed to people. */
  readonly message: ReceivedMessage;
  /** 0 on the first delivery. */
  readonly attempt: number;
  readonly firstFailedAt: string | undefined;
  /** Of the message itself, wherever the journey kept it. */
  readonly expiration: string | undefined;
  /** The same for its user id. */
  readonly userId: string | undefined;
}

/**
 * Undoes the journey. `isDelayQueue` tells the consumer's own delay queues, whose deaths are no history of the
 * message. Costs nothing for a message without our headers: it comes back as it is.
 */
export function arrive(message: ReceivedMessage, isDelayQueue: (queue: string) => boolean): Arrival {
  const { headers } = message.properties;
  const retry = headers === undefined ? undefined : readRetry(headers);
  if (headers !== undefined && retry !== undefined) {
    const { [HEADER_RETRY]: _, ...rest } = headers;
    const restored = withAside(withoutDeathsIn(rest, isDelayQueue), retry.aside);
    const { exchange, routingKey, attempt, firstFailedAt, expiration, userId } = retry;
    const properties = { ...message.properties, headers: restored };
    return {
      message: { ...message, exchange, routingKey, properties },
      attempt,
      firstFailedAt,
      expiration,
      userId,
    };
  }
  const replay = headers === undefined ? undefined : readReplay(headers);
  return {
    message:
      replay === undefined
        ? message
        : { ...message, exchange: replay.exchange, routingKey: replay.routingKey },
    attempt: 0,
    firstFailedAt: undefined,
    expiration: message.properties.expiration,
    userId: message.properties.userId,
  };
}

export function readRetry(headers: Headers): RetryHeader | undefined {
  const value = table(headers[HEADER_RETRY]);
  if (value === undefined) return undefined;
  const { attempt, exchange, routingKey, firstFailedAt, expiration, userId } = value;
  if (typeof exchange !== 'string' || typeof routingKey !== 'string') return undefined;
  if (typeof attempt !== 'number' || !Number.isSafeInteger(attempt) || attempt < 0) return undefined;
  if (typeof firstFailedAt !== 'string') return undefined;
  // With their wire types, which a plain header would lose.
  const aside = isTable(headers[HEADER_RETRY]) ? headers[HEADER_RETRY].aside : undefined;
  return {
    attempt,
    exchange,
    routingKey,
    firstFailedAt,
    ...(typeof expiration === 'string' && { expiration }),
    ...(typeof userId === 'string' && { userId }),
    ...(isTable(aside) && { aside }),
  };
}

export function readReplay(headers: Headers): ReplayHeader | undefined {
  const value = headers[HEADER_REPLAY];
  if (!isTable(value)) return undefined;
  const { id, time, from, exchange, routingKey } = value;
  if (typeof id !== 'string' || typeof time !== 'string' || typeof from !== 'string') return undefined;
  if (typeof exchange !== 'string' || typeof routingKey !== 'string') return undefined;
  return { id, time, from, exchange, routingKey };
}

function table(value: HeaderValue | undefined): Headers | undefined {
  const plain = value === undefined ? undefined : plainHeader(value);
  return isTable(plain) ? plain : undefined;
}

function isTable(value: HeaderValue | undefined): value is Headers {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** With the headers that were set aside; deaths that came since are newer than those. */
function withAside(headers: Headers, aside: Headers | undefined): Headers {
  if (aside === undefined) return headers;
  const { 'x-death': newer } = headers;
  const { 'x-death': older } = aside;
  const both = Array.isArray(newer) && Array.isArray(older) ? { 'x-death': [...newer, ...older] } : {};
  return { ...headers, ...aside, ...both };
}

/** `x-death` without the entries of these queues; without it and its companions when nothing is left. */
function withoutDeathsIn(headers: Headers, isDelayQueue: (queue: string) => boolean): Headers {
  const deaths = headers['x-death'];
  if (!Array.isArray(deaths)) return headers;
  const kept = deaths.filter((death) => {
    const queue = table(death)?.queue;
    return typeof queue !== 'string' || !isDelayQueue(queue);
  });
  if (kept.length === deaths.length) return headers;
  const firstQueue = headers['x-first-death-queue'];
  const firstIsOurs = typeof firstQueue === 'string' && isDelayQueue(firstQueue);
  return Object.fromEntries(
    Object.entries({ ...headers, 'x-death': kept }).filter(
      ([name]) =>
        !(name === 'x-death' && kept.length === 0) &&
        !(firstIsOurs && name !== 'x-death' && isDeathHeader(name)),
    ),
  );
}
