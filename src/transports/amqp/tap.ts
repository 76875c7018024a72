/**
 * Copies through a queue of our own that the broker bounds and deletes. When it overflows, the broker
 * dead-letters what it drops into a second queue of length 1: any message there means a gap. The two queues
 * are delivered independently, so an overflow can be told a few messages late, never a few too early.
 */
import { randomBytes } from 'node:crypto';
import type { Channel, ConsumeMessage } from 'amqplib';
import { EventsError, messageOf } from '../../core/errors.js';
import type { Subscription, TapGap, TapHandlers, TapOptions } from '../../core/transport.js';
import { exactMessage } from './messages.js';
import { type FreshChannel, type ReopeningOptions, ReopeningSubscription } from './reopening.js';
import type { Settling } from './settling.js';

type Context = Omit<ReopeningOptions, 'open' | 'onLost'>;

type Item = TapGap | { readonly message: ConsumeMessage; readonly settling: Settling };

const DEFAULT_BUFFER = 10_000;
/** Copies held by this process at once: enough to keep a fast reader busy, 1.6 GB if all are 16 MiB. */
const MAX_PREFETCH = 100;

export async function openTap(
  options: TapOptions,
  handlers: TapHandlers,
  context: Context,
): Promise<Subscription> {
  if (options.bindings.length === 0) throw new EventsError('usage', 'A tap needs at least one binding');
  const limit = options.bufferLimit ?? DEFAULT_BUFFER;
  const prefetch = Math.max(1, Math.min(MAX_PREFETCH, Math.floor(limit / 2)));
  const waiting: Item[] = [];
  let lastPushed: TapGap['reason'] | undefined;
  let reading = false;
  let closed = false;

  const subscription = new ReopeningSubscription({
    ...context,
    onLost: () => push({ reason: 'lost' }),
    open: declareAndConsume,
  });

  async function declareAndConsume({
    wire,
    channel,
    settling,
    lost,
  }: FreshChannel): Promise<readonly string[]> {
    const name = `atma-events.tap.${process.pid}.${randomBytes(6).toString('hex')}`;
    wire.typeHeaders(channel);
    await declareQueues(channel, name, Math.max(1, limit - prefetch));
    await channel.prefetch(prefetch);
    const main = await channel.consume(name, (message) => {
      if (message === null) return lost('cancelled by the broker');
      settling.delivered(message.fields.deliveryTag);
      push({ message, settling });
    });
    const overflow = await channel.consume(`${name}.overflow`, (message) => {
      if (message === null) return;
      settling.delivered(message.fields.deliveryTag);
      void settling.ack(message.fields.deliveryTag);
      push({ reason: 'overflow' });
    });
    for (const { exchange, key } of options.bindings) await channel.bindQueue(name, exchange, key);
    return [main.consumerTag, overflow.consumerTag];
  }

  function push(item: Item): void {
    const gap = 'reason' in item ? item.reason : undefined;
    // With no copy in between it is the same gap; being cut off is not the reader's fault and told apart.
    if (gap !== undefined && gap === lastPushed) return;
    lastPushed = gap;
    waiting.push(item);
    if (!reading) void read();
  }

  /** Hands items over one at a time; what is acked makes room for the next copies. */
  async function read(): Promise<void> {
    reading = true;
    let next = 0;
    try {
      for (; next < waiting.length && !closed; next++) {
        const item = waiting[next];
        if (item === undefined) break;
        if ('reason' in item) {
          handlers.onGap(item);
          continue;
        }
        const done = handlers.onMessage(exactMessage(item.message));
        if (done !== undefined) await done;
        void item.settling.ack(item.message.fields.deliveryTag);
        if (next === 255) {
          waiting.splice(0, next + 1);
          next = -1;
        }
      }
      waiting.splice(0, next);
    } catch (error) {
      closed = true;
      subscription.fail(error instanceof Error ? error : new Error(messageOf(error)));
    } finally {
      reading = false;
    }
  }

  await subscription.start();
  return {
    ended: subscription.ended,
    async stop() {
      closed = true;
      await subscription.stop();
    },
    async close() {
      closed = true;
      await subscription.close();
    },
  };
}

async function declareQueues(channel: Channel, name: string, maxLength: number): Promise<void> {
  const own = { exclusive: true, autoDelete: true, durable: false };
  await channel.assertQueue(`${name}.overflow`, { ...own, arguments: { 'x-max-length': 1 } });
  await channel.assertQueue(name, {
    ...own,
    arguments: {
      'x-max-length': maxLength,
      'x-overflow': 'drop-head',
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': `${name}.overflow`,
    },
  });
}
