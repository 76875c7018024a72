/** Group commit: the publishes of one turn of the event loop become durable in one transaction. */
import { EventsError, exchangeMissing, unroutable } from '../../core/errors.js';
import type { MessageProperties, OutgoingMessage } from '../../core/message.js';
import { MAX_TTL_MS } from './arguments.js';
import type { Broker } from './broker.js';
import type { QueueRecord } from './catalog.js';
import { deadLetter } from './dead-letter.js';
import { wouldOverflow } from './overflow.js';
import { encodeProperties, stringsIn } from './properties.js';
import type { Reaper } from './reaper.js';
import type { StoredMessage, Turn } from './turn.js';

/** RabbitMQ's own limit (`max_message_size`). */
const MAX_BODY_BYTES = 128 * 1024 * 1024;

const REAP_PAUSE_MS = 250;

export interface GroupLimits {
  readonly messages: number;
  readonly bytes: number;
}

interface Pending {
  readonly message: StoredMessage;
  readonly moreKeys: readonly string[];
  readonly mandatory: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Publisher {
  readonly #broker: Broker;
  readonly #reaper: Reaper;
  readonly #limits: GroupLimits;
  #pending: Pending[] = [];
  #running: Promise<void> | undefined;

  constructor(broker: Broker, reaper: Reaper, limits: GroupLimits) {
    this.#broker = broker;
    this.#reaper = reaper;
    this.#limits = limits;
  }

  /** Resolves once the message is on disk in every bound queue. */
  publish(outgoing: OutgoingMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      const { message, moreKeys } = storable(outgoing);
      this.#pending.push({ message, moreKeys, mandatory: outgoing.mandatory ?? true, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing is in flight. */
  async drained(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    // The rest of this turn of the event loop, and what follows from the last confirms, joins the group.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#pending.length > 0) {
      await this.#commit(this.#nextGroup());
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#running = undefined;
  }

  #nextGroup(): Pending[] {
    let bytes = 0;
    let count = 0;
    for (const { message } of this.#pending) {
      bytes += message.body.length;
      if (count >= this.#limits.messages || (count > 0 && bytes > this.#limits.bytes)) break;
      count++;
    }
    if (count === this.#pending.length) {
      const all = this.#pending;
      this.#pending = [];
      return all;
    }
    return this.#pending.splice(0, count);
  }

  async #commit(group: readonly Pending[]): Promise<void> {
    try {
      // The queue of a dead owner must not make a message count as routed.
      if (this.#reaper.isDue(REAP_PAUSE_MS)) await this.#reaper.round(REAP_PAUSE_MS);
      const refusals = await this.#broker.write(true, (turn) => storeGroup(turn, group));
      for (const [index, { resolve, reject }] of group.entries()) {
        const refusal = refusals.get(index);
        if (refusal === undefined) resolve();
        else reject(refusal);
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}

/** Puts each message where it goes; returns the refused ones by index. One refusal leaves the others alone. */
function storeGroup(turn: Turn, group: readonly Pending[]): Map<number, EventsError> {
  const refusals = new Map<number, EventsError>();
  for (const [index, { message, moreKeys, mandatory }] of group.entries()) {
    const refusal = storeOne(turn, message, moreKeys, mandatory);
    if (refusal !== undefined) refusals.set(index, refusal);
  }
  return refusals;
}

function storeOne(
  turn: Turn,
  message: StoredMessage,
  moreKeys: readonly string[],
  mandatory: boolean,
): EventsError | undefined {
  const targets = routeOf(turn, message, moreKeys);
  if (targets === undefined) return exchangeMissing(message.exchange);
  if (targets.length === 0) return mandatory ? unroutable(message.exchange, message.key) : undefined;
  const full = targets.filter((queue) => wouldOverflow(turn, queue, message.body.length));
  const taking = full.length === 0 ? targets : targets.filter((queue) => !full.includes(queue));
  for (const queue of full) {
    if (queue.policy.overflow === 'reject-publish-dlx') deadLetter(turn, queue, message, 'maxlen');
  }
  if (taking.length > 0) turn.store(message, taking);
  return full.length === 0 ? undefined : refusedBy(full);
}

function routeOf(
  turn: Turn,
  { exchange, key }: StoredMessage,
  moreKeys: readonly string[],
): readonly QueueRecord[] | undefined {
  const targets = turn.catalog.route(exchange, key);
  if (targets === undefined || moreKeys.length === 0) return targets;
  const all = new Set(targets);
  for (const more of moreKeys) for (const queue of turn.catalog.route(exchange, more) ?? []) all.add(queue);
  return [...all];
}

/** Checks what RabbitMQ would refuse, and fixes the properties as they are now. Throws `publish-refused`. */
function storable(outgoing: OutgoingMessage): { message: StoredMessage; moreKeys: readonly string[] } {
  const { exchange, routingKey, body } = outgoing;
  if (routingKey.length > 63 && Buffer.byteLength(routingKey) > 255) {
    throw refused('a routing key has 255 bytes at most');
  }
  if (routingKey.includes('\0')) throw refused('a routing key must not hold a NUL character', NUL_HINT);
  if (body.length > MAX_BODY_BYTES) throw refused(`a body has ${MAX_BODY_BYTES} bytes at most`);
  const { properties, moreKeys } = withoutHiddenCopies(outgoing.properties);
  const message: StoredMessage = {
    exchange,
    key: routingKey,
    properties: encodeProperties(
      properties.deliveryMode === undefined ? { ...properties, deliveryMode: 2 } : properties,
    ),
    body,
    priority: priorityOf(properties),
    ttl: ttlOf(properties),
  };
  return { message, moreKeys };
}

const NO_KEYS: readonly string[] = [];

/** RabbitMQ's CC and BCC headers name further routing keys; BCC does not travel on. */
function withoutHiddenCopies(properties: MessageProperties): {
  properties: MessageProperties;
  moreKeys: readonly string[];
} {
  const { headers } = properties;
  if (headers === undefined || !('CC' in headers || 'BCC' in headers))
    return { properties, moreKeys: NO_KEYS };
  const { BCC, ...visible } = headers;
  const moreKeys = [...stringsIn(headers, 'CC'), ...stringsIn(headers, 'BCC')];
  return { properties: BCC === undefined ? properties : { ...properties, headers: visible }, moreKeys };
}

function priorityOf({ priority = 0 }: MessageProperties): number {
  if (Number.isInteger(priority) && priority >= 0 && priority <= 255) return priority;
  throw refused(`a priority is 0 to 255, not ${priority}`);
}

function ttlOf({ expiration }: MessageProperties): number | undefined {
  if (expiration === undefined) return undefined;
  const ttl = Number(expiration);
  if (/^\d+$/.test(expiration) && ttl <= MAX_TTL_MS) return ttl;
  throw refused(`an expiration is milliseconds in decimal, ${MAX_TTL_MS} at most, not "${expiration}"`);
}

const NUL_HINT = 'RabbitMQ takes it; SQLite in Node 22 would cut the key there.';

function refused(message: string, hint = 'RabbitMQ refuses it too.'): EventsError {
  return new EventsError('publish-refused', message, { hint });
}

function refusedBy(queues: readonly QueueRecord[]): EventsError {
  const names = queues.map(({ spec }) => spec.name).join(', ');
  return new EventsError('publish-refused', `queue ${names} is full`, {
    hint: 'Its x-overflow is reject-publish: let a consumer make room, then publish again.',
  });
}
