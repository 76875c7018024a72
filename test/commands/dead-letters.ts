/** What the tests of `dlq` have in common: ATMA's topology, and dead letters in it. */
import { afterEach, beforeEach } from 'vitest';
import type { Headers, MessageProperties, ReceivedMessage } from '../../src/core/message.js';
import type { Transport } from '../../src/core/transport.js';
import { atma } from '../../src/presets/atma.js';
import { createTransport } from '../../src/transports/index.js';
import { eventually } from '../await.js';
import { sharedRabbit } from '../brokers/shared.js';
import { type CommandBroker, describeOnBothBrokers, withTransport } from './brokers.js';

export interface Letter {
  readonly body: string | Buffer;
  /** Default analysis.completed. */
  readonly key?: string;
  readonly properties?: MessageProperties;
}

/** A suite on both brokers, each test with empty queues. */
export function describeDlq(name: string, suite: (broker: CommandBroker, dlq: () => string) => void): void {
  describeOnBothBrokers(name, (broker) => {
    beforeEach(async () => {
      await broker.clean();
      await withTransport(broker, (transport) => transport.apply(atma.build(broker.env).topology));
    });
    suite(broker, () => `${broker.notifications}_dlq`);
  });
}

/**
 * The same with a virtual host of its own on RabbitMQ: `dlq list` looks into every queue there is, and would hold what
 * the tests of other files are about to count.
 */
export function describeAlone(name: string, suite: (broker: CommandBroker, dlq: () => string) => void): void {
  describeOnBothBrokers(name, (shared) => {
    const vhost = `alone_${shared.exchange}`;
    const url = () => (shared.name === 'amqp' ? `${new URL(`/${vhost}`, shared.url())}` : shared.url());
    const open = () => createTransport(url());
    const broker: CommandBroker = {
      ...shared,
      url,
      open,
      options: (more = {}) => shared.options({ ...more, env: { ATMA_EVENTS_URL: url(), ...more.env } }),
    };
    const manage = async (method: string) => {
      const { username, password } = new URL(shared.url());
      const { managementUrl } = await sharedRabbit();
      const response = await fetch(`${managementUrl}/api/vhosts/${vhost}`, {
        method,
        headers: { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` },
      });
      if (!response.ok) throw new Error(`${method} of the virtual host: ${response.status}`);
    };
    beforeEach(async () => {
      if (shared.name === 'amqp') await manage('PUT');
      else await shared.clean();
      await withTransport(broker, (transport) => transport.apply(atma.build(broker.env).topology));
    });
    afterEach(async () => {
      if (shared.name === 'amqp') await manage('DELETE');
    });
    suite(broker, () => `${broker.notifications}_dlq`);
  });
}

/** Publishes, and has a consumer of the notifications queue reject all of it, in order. */
export async function rejected(broker: CommandBroker, ...letters: Letter[]): Promise<void> {
  await withTransport(broker, async (transport) => {
    const before = await depth(transport, `${broker.notifications}_dlq`);
    for (const { body, key = 'analysis.completed', properties = {} } of letters) {
      await transport.publish({
        exchange: broker.exchange,
        routingKey: key,
        body: Buffer.from(body),
        properties,
      });
    }
    const consumer = await transport.consume(broker.notifications, { prefetch: 1 }, (delivery) => {
      void delivery.reject();
    });
    const wanted = before + letters.length;
    await eventually('all are dead', async () => {
      return (await depth(transport, `${broker.notifications}_dlq`)) === wanted;
    });
    await consumer.close();
  });
}

/** Puts dead letters with these headers into the DLQ, the way a consumer of ours does. */
export async function buried(
  broker: CommandBroker,
  ...letters: (Letter & { headers: Headers })[]
): Promise<void> {
  await withTransport(broker, async (transport) => {
    for (const { body, headers, properties } of letters) {
      await transport.publish({
        exchange: `${broker.exchange}_dlx`,
        routingKey: 'notifications.dlq',
        body: Buffer.from(body),
        properties: { ...properties, headers },
      });
    }
  });
}

/** What a queue holds, in order, without the redelivered flag that looking may set. */
export function content(
  broker: CommandBroker,
  queue: string,
): Promise<Omit<ReceivedMessage, 'redelivered'>[]> {
  return withTransport(broker, async (transport) => {
    const messages: Omit<ReceivedMessage, 'redelivered'>[] = [];
    for await (const { redelivered: _, ...message } of transport.browse(queue)) messages.push(message);
    return messages;
  });
}

async function depth(transport: Transport, queue: string): Promise<number> {
  return (await transport.counts(queue))?.ready ?? 0;
}
