/** What the tests of `replay-dlq` and `dlq` have in common: ATMA's topology with dead letters in it, and looks into queues. */
import { beforeEach } from 'vitest';
import type { ReceivedMessage } from '../../src/core/message.js';
import type { Delivery, Transport } from '../../src/core/transport.js';
import { atma } from '../../src/presets/atma.js';
import { eventually } from '../await.js';
import { type CommandBroker, describeOnBothBrokers, withTransport } from './brokers.js';

/** A suite on both brokers, each test with a topology that nothing was sent to yet. */
export function describeDying(name: string, suite: (broker: CommandBroker) => void): void {
  describeOnBothBrokers(name, (broker) => {
    beforeEach(async () => {
      await broker.clean();
      await withTransport(broker, (transport) => transport.apply(atma.build(broker.env).topology));
    });
    suite(broker);
  });
}

/** Data of `analysis.completed` for the n-th job. */
export function eventOf(n: number): object {
  const sample = atma.build({}).catalog.get('analysis.completed').sample as object;
  return { eventType: 'analysis.completed', timestamp: '2025-01-01T00:00:00.000Z', ...sample, n };
}

/** Ids that `die` gives. */
export const idsOf = (count: number) => Array.from({ length: count }, (_, at) => `m-${at + 1}`);

/**
 * Publishes events `m-1`, `m-2`, … (or these bodies) and lets the notification service reject them, as it does today;
 * the assessment service takes its copies. Resolves when they are in the dead-letter queue.
 */
export async function die(broker: CommandBroker, bodies: number | readonly Buffer[]): Promise<void> {
  const events = typeof bodies === 'number' ? idsOf(bodies).map((_, at) => toBody(eventOf(at + 1))) : bodies;
  await withTransport(broker, async (transport) => {
    await Promise.all(
      events.map((body, at) =>
        transport.publish({
          exchange: broker.exchange,
          routingKey: 'analysis.completed',
          body,
          properties: { messageId: `m-${at + 1}`, contentType: 'application/json' },
        }),
      ),
    );
    await settle(transport, broker.notifications, events.length, (delivery) => delivery.reject());
    await settle(transport, broker.assessments, events.length, (delivery) => delivery.ack());
    await eventually('all are dead letters', async () => {
      return (await transport.counts(`${broker.notifications}_dlq`))?.ready === events.length;
    });
  });
}

export function toBody(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** Takes `count` messages off the queue. */
export async function settle(
  transport: Transport,
  queue: string,
  count: number,
  how: (delivery: Delivery) => Promise<unknown>,
): Promise<void> {
  const settling: Promise<unknown>[] = [];
  const subscription = await transport.consume(queue, {}, (delivery) => settling.push(how(delivery)));
  await eventually(`${count} messages came from ${queue}`, () => settling.length >= count);
  await Promise.all(settling);
  await subscription.synchronise();
  await subscription.close();
}

/** The ready messages of a queue. */
export function messagesIn(broker: CommandBroker, queue: string): Promise<ReceivedMessage[]> {
  return withTransport(broker, async (transport) => {
    const messages: ReceivedMessage[] = [];
    for await (const message of transport.browse(queue)) messages.push(message);
    return messages;
  });
}

/** Message ids of a queue, sorted as `idsOf` counts. */
export async function idsIn(broker: CommandBroker, queue: string): Promise<string[]> {
  const ids = (await messagesIn(broker, queue)).map(({ properties }) => properties.messageId ?? '');
  return ids.toSorted((a, b) => Number(a.replace(/\D/g, '')) - Number(b.replace(/\D/g, '')));
}
