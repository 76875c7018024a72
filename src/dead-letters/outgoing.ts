/** What a replay sends, and where: docs/dead-letters.md, "What is sent". Pure. */
import { isDeathHeader, isFurtherRoute, withoutDeliveryCount } from '../core/broker-headers.js';
import { HEADER_FAILURE } from '../core/consuming/failure-record.js';
import { HEADER_REPLAY, HEADER_RETRY } from '../core/consuming/origin.js';
import type {
  Headers,
  HeaderValue,
  MessageProperties,
  OutgoingMessage,
  ReceivedMessage,
} from '../core/message.js';
import { type Death, readDeath } from './death.js';
import type { ReplayTarget, SkipReason } from './replay-types.js';
import type { Address } from './routes.js';

export interface ReplayContext {
  /** The replay's id. */
  readonly id: string;
  /** The dead-letter queue. */
  readonly queue: string;
  readonly target: ReplayTarget;
  /** ISO 8601. */
  readonly time: string;
}

/** Where a dead letter of `queue` would go, or why it cannot. */
export function addressOf(
  message: ReceivedMessage,
  queue: string,
  target: ReplayTarget,
): Address | SkipReason {
  return addressFor(readDeath(message, queue), queue, target);
}

/** The message to publish, or why there is none. */
export function outgoing(message: ReceivedMessage, context: ReplayContext): OutgoingMessage | SkipReason {
  const { queue, target } = context;
  const death = readDeath(message, queue);
  const address = addressFor(death, queue, target);
  if (typeof address === 'string') return address;
  const { headers = {}, userId, expiration } = message.properties;
  const { kept, removed } = sort(withoutDeliveryCount(headers), death, target);
  const failure = headers[HEADER_FAILURE];
  const { exchange, routingKey } = death;
  const replay: Record<string, HeaderValue> = {
    id: context.id,
    time: context.time,
    from: queue,
    exchange,
    routingKey,
  };
  if (failure !== undefined) replay.failure = failure;
  if (userId !== undefined) replay.userId = userId;
  if (expiration !== undefined) replay.expiration = expiration;
  if (removed !== undefined) replay.removed = removed;
  kept[HEADER_REPLAY] = replay;
  return {
    exchange: address.exchange,
    routingKey: address.routingKey,
    body: message.body,
    properties: withHeaders(message.properties, kept),
  };
}

/** With these headers, and without what would act on the copy. */
function withHeaders(properties: MessageProperties, headers: Headers): MessageProperties {
  const copy = { ...properties, headers };
  if (copy.userId === undefined && copy.expiration === undefined) return copy;
  const { userId: _, expiration: __, ...rest } = copy;
  return rest;
}

function addressFor(death: Death, queue: string, target: ReplayTarget): Address | SkipReason {
  if (target.kind === 'name') return toQueue(target.queue, queue);
  if (death.failedQueue === undefined) return 'no-target';
  if (target.kind === 'queue') return toQueue(death.failedQueue, queue);
  const { exchange, routingKey } = death;
  return exchange === '' ? toQueue(routingKey, queue) : { exchange, routingKey };
}

function toQueue(to: string, from: string): Address | SkipReason {
  return to === from ? 'own-queue' : { exchange: '', routingKey: to };
}

/**
 * A death that no consumer asked for (expired, maxlen, delivery_limit) stands in `x-death` as the first half of an
 * automatic cycle: should the copy later go through a delay queue back into its queue, RabbitMQ takes it for a message
 * that runs in circles, and drops it without a word (https://www.rabbitmq.com/docs/dlx#automatic-dead-letter-cycles). A
 * rejection breaks the cycle.
 */
function sort(
  headers: Headers,
  death: Death,
  target: ReplayTarget,
): { readonly kept: Record<string, HeaderValue>; readonly removed: Headers | undefined } {
  const [newest] = death.history;
  const looksAutomatic = newest !== undefined && newest.reason !== 'rejected';
  const kept: Record<string, HeaderValue> = {};
  let removed: Record<string, HeaderValue> | undefined;
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (value === undefined || name === HEADER_FAILURE || name === HEADER_RETRY || name === HEADER_REPLAY)
      continue;
    const isDeath = looksAutomatic && isDeathHeader(name);
    const isRoute = target.kind !== 'exchange' && isFurtherRoute(name);
    if (isDeath || isRoute) {
      removed ??= {};
      removed[name] = value;
    } else kept[name] = value;
  }
  return { kept, removed };
}
