/**
 * The copies of a message that a consumer publishes: for a delay queue, and for the dead-letter queue. Body and
 * properties are the original's, message id included; what would act on the copy is set aside into our own header.
 *
 * | set aside | because |
 * |---|---|
 * | `expiration` | it would end the delay early, or remove the dead letter |
 * | `userId` | RabbitMQ refuses that of another connection's user |
 * | `CC`, `BCC` | RabbitMQ would route the copy to those queues, too, the default exchange included |
 * | `x-death` and its companions, on the way to a delay queue | with a death of the same queue in it RabbitMQ drops the message as going in a circle when the delay is over |
 *
 * Headers that a broker adds to each delivery are left out: they would be told of the wrong delivery.
 */
import { isDeathHeader, isFurtherRoute, isOfTheDelivery } from '../broker-headers.js';
import {
  type Headers,
  type HeaderValue,
  type MessageProperties,
  type OutgoingMessage,
  plainHeader,
} from '../message.js';
import type { DeadLetterRoute } from './dead-letter-route.js';
import { type FailureRecord, failureHeader, HEADER_FAILURE } from './failure-record.js';
import { type Arrival, HEADER_RETRY } from './origin.js';

/** Headers so large that a failure record with its stack might not fit beside them: a frame has 128 KiB. */
const LARGE_HEADERS_BYTES = 64 * 1024;
const SHORT_MESSAGE = 200;

export interface RetryStep {
  /** How often the handler has failed. */
  readonly attempt: number;
  /** ISO 8601. */
  readonly firstFailedAt: string;
}

/** The copy that waits in `delayQueue` for `ttlMs`. */
export function retryCopy(
  arrival: Arrival,
  step: RetryStep,
  delayQueue: string,
  ttlMs: number,
): OutgoingMessage {
  const { message, expiration, userId } = arrival;
  const { travelling, aside } = sortHeaders(message.properties.headers, true);
  const retry: { [name: string]: HeaderValue } = {
    attempt: step.attempt,
    exchange: message.exchange,
    routingKey: message.routingKey,
    firstFailedAt: step.firstFailedAt,
  };
  if (expiration !== undefined) retry.expiration = expiration;
  if (userId !== undefined) retry.userId = userId;
  if (Object.keys(aside).length > 0) retry.aside = aside;
  return {
    exchange: '',
    routingKey: delayQueue,
    body: message.body,
    properties: {
      ...keptProperties(message.properties),
      expiration: String(ttlMs),
      headers: { ...travelling, [HEADER_RETRY]: retry },
    },
  };
}

/** The dead letter. */
export function deadLetter(arrival: Arrival, record: FailureRecord, route: DeadLetterRoute): OutgoingMessage {
  const { message } = arrival;
  const { travelling } = sortHeaders(message.properties.headers, false);
  const large = JSON.stringify(travelling).length > LARGE_HEADERS_BYTES;
  return {
    exchange: route.exchange,
    routingKey: route.routingKey ?? message.routingKey,
    body: message.body,
    properties: {
      ...keptProperties(message.properties),
      headers: {
        ...travelling,
        ...rejected(travelling, record),
        [HEADER_FAILURE]: failureHeader(large ? shortened(record) : record),
      },
    },
  };
}

/** Routing keys of the header `CC`. */
export function furtherKeys(headers: Headers | undefined): readonly string[] | undefined {
  const keys = headers?.CC;
  return Array.isArray(keys) ? keys.filter((key): key is string => typeof key === 'string') : undefined;
}

function keptProperties(properties: MessageProperties): MessageProperties {
  const { expiration: _, userId: __, headers: ___, ...kept } = properties;
  return kept;
}

function sortHeaders(headers: Headers = {}, asideDeaths: boolean): { travelling: Headers; aside: Headers } {
  const travelling: [string, HeaderValue][] = [];
  const aside: [string, HeaderValue][] = [];
  for (const header of Object.entries(headers)) {
    const [name] = header;
    if (isOfTheDelivery(name)) continue;
    const acts = isFurtherRoute(name) || (asideDeaths && isDeathHeader(name));
    (acts ? aside : travelling).push(header);
  }
  return { travelling: Object.fromEntries(travelling), aside: Object.fromEntries(aside) };
}

/**
 * A history of deaths gets this one on top, as if the broker had dead-lettered it: a dead-letter queue whose TTL leads
 * back to the consumer's queue would else drop the message as going in a circle without a rejection.
 */
function rejected(headers: Headers, record: FailureRecord): Headers {
  const deaths = headers['x-death'];
  if (!Array.isArray(deaths)) return {};
  const same = (death: HeaderValue) => {
    const { queue, reason } = tableOf(death);
    return queue === record.queue && reason === 'rejected';
  };
  const before = Number(tableOf(deaths.find(same) ?? null).count ?? 0);
  const death = {
    // The broker's own type of a count, which it insists on when it counts up.
    count: { '!': 'int64', value: (Number.isSafeInteger(before) ? before : 0) + 1 },
    exchange: record.exchange,
    queue: record.queue,
    reason: 'rejected',
    'routing-keys': [record.routingKey],
    time: { '!': 'timestamp', value: Math.floor(Date.parse(record.lastFailedAt) / 1000) },
  };
  return { 'x-death': [death, ...deaths.filter((other) => !same(other))] };
}

function tableOf(value: HeaderValue): Headers {
  const plain = plainHeader(value);
  return typeof plain === 'object' && plain !== null && !Array.isArray(plain) ? (plain as Headers) : {};
}

function shortened({ stack: _, ...record }: FailureRecord): FailureRecord {
  return { ...record, message: record.message.slice(0, SHORT_MESSAGE) };
}
