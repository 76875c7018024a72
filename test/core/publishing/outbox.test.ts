/** An outbox under a publisher, on both brokers. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { defineCatalog, defineEvent } from '../../../src/core/events/catalog.js';
import { createPublisher } from '../../../src/core/publishing/publisher.js';
import { bind, EMPTY_TOPOLOGY, exchange, queue } from '../../../src/core/topology/model.js';
import type { Transport } from '../../../src/core/transport.js';
import { createTransport } from '../../../src/transports/index.js';
import { eventually } from '../../await.js';
import { rabbitInstalled, sharedRabbit } from '../../brokers/shared.js';
import { temporaryFolder } from '../../commands/cli.js';
import { catchAll, messagesIn } from './arrivals.js';
import { messageTo, openOutbox, outboxPath } from './outbox-scene.js';

interface Scene {
  readonly transport: Transport;
  /** An exchange, and a queue that gets all of it. */
  readonly name: string;
  /** What has arrived there, as text. */
  arrived(): Promise<string[]>;
  /** Another name, whose queue and exchange are gone after the test. */
  another(): string;
}

async function setScene(kind: 'embedded' | 'amqp'): Promise<Scene> {
  const url =
    kind === 'amqp' ? (await sharedRabbit()).url : `embedded:${join(temporaryFolder(), 'broker.db')}`;
  const transport = await createTransport(url);
  const names: string[] = [];
  const another = () => {
    const name = `outbox_${randomBytes(4).toString('hex')}`;
    names.push(name);
    return name;
  };
  onTestFinished(async () => {
    await transport.remove({ queues: names, exchanges: names });
    await transport.close();
  });
  const name = another();
  await transport.apply(catchAll(name));
  const arrived = async () => (await messagesIn(transport, name)).map(({ body }) => body.toString());
  return { transport, name, arrived, another };
}

describe.each(['embedded', 'amqp'] as const)('an outbox on %s', (kind) => {
  describe.skipIf(kind === 'amqp' && !rabbitInstalled)('', () => {
    test('serves a publisher unchanged: the event arrives with its id, headers and body', async () => {
      const { transport, name } = await setScene(kind);
      const catalog = defineCatalog(
        defineEvent({ type: 'order.paid', version: 2, exchange: name, schema: z.object({ n: z.number() }) }),
      );
      const outbox = openOutbox(transport);
      expect(outbox.scheme).toBe(transport.scheme);
      const publisher = createPublisher(outbox, catalog, { source: 'shop' });
      const envelope = await publisher.publish('order.paid', { n: 1 });
      expect(outbox.store.state().waiting).toBeGreaterThan(0);
      await outbox.drained();
      const direct = createPublisher(transport, catalog, { source: 'shop' });
      await direct.publish('order.paid', { n: 1 }, { id: envelope.id, time: new Date(envelope.time) });
      const [sent, straight] = await messagesIn(transport, name);
      expect(sent).toEqual(straight);
    });

    test('sends thousands in order, and its file is empty afterwards', async () => {
      const { transport, name, arrived } = await setScene(kind);
      const outbox = openOutbox(transport);
      const ids = Array.from({ length: 3_000 }, (_, n) => `m${n}`);
      await Promise.all(ids.map((id, n) => outbox.publish(messageTo(name, n % 2 ? 'odd' : 'even', id))));
      await outbox.drained();
      expect(await arrived()).toEqual(ids);
      expect(outbox.state()).toEqual({ waiting: 0, oldestAt: undefined, inFlight: 0, trouble: undefined });
    });

    test('what has no queue or no exchange yet waits for it, and the rest does not wait with it', async () => {
      const { transport, name, arrived, another } = await setScene(kind);
      const [noQueue, noExchange] = [another(), another()];
      await transport.apply({ ...EMPTY_TOPOLOGY, exchanges: [exchange(noQueue, 'topic')] });
      const outbox = openOutbox(transport);
      const ids = Array.from({ length: 30 }, (_, n) => `m${n}`);
      for (const [n, id] of ids.entries()) {
        await outbox.publish(messageTo([name, noQueue, noExchange][n % 3] ?? '', 'k', id));
      }
      await eventually('what can be sent has arrived', async () => (await arrived()).length === 10);
      expect(outbox.state().waiting).toBe(20);
      const codes = () => outbox.troubles.map(({ error }) => (error as { code?: string }).code).toSorted();
      await eventually('both are told', () => outbox.troubles.length === 2);
      expect(codes()).toEqual(['exchange-missing', 'unroutable']);
      for (const place of [noQueue, noExchange]) await transport.apply(catchAll(place));
      await outbox.drained();
      for (const [n, place] of [name, noQueue, noExchange].entries()) {
        const there = (await messagesIn(transport, place)).map(({ body }) => body.toString());
        expect(there).toEqual(ids.filter((_, index) => index % 3 === n));
      }
      expect(outbox.troubles).toHaveLength(2);
    });

    test('a message that no broker takes is set aside, and the others of its lane arrive in order', async () => {
      const { transport, name, arrived } = await setScene(kind);
      const outbox = openOutbox(transport);
      const bad = messageTo(name, 'k', 'bad');
      await outbox.publish({ ...bad, properties: { ...bad.properties, expiration: 'soon' } });
      const ids = Array.from({ length: 20 }, (_, n) => `m${n}`);
      for (const id of ids) await outbox.publish(messageTo(name, 'k', id));
      await eventually('the others have arrived', async () => (await arrived()).length === 20);
      expect(await arrived()).toEqual(ids);
      await eventually('they are removed', () => outbox.state().waiting === 1);
      expect(outbox.state().trouble).toMatchObject({
        kind: 'message',
        messageId: 'bad',
        error: { code: 'publish-refused' },
      });
    });

    test('a full queue holds back what goes there, until there is room', async () => {
      const { transport, name, arrived, another } = await setScene(kind);
      const full = another();
      await transport.apply({
        exchanges: [exchange(full, 'topic')],
        queues: [queue(full, { 'x-max-length': 2, 'x-overflow': 'reject-publish' })],
        bindings: bind(full, full, '#'),
      });
      const outbox = openOutbox(transport, outboxPath(), { window: 1 });
      const ids = Array.from({ length: 12 }, (_, n) => `m${n}`);
      for (const id of ids) await outbox.publish(messageTo(full, 'k', id));
      await outbox.publish(messageTo(name, 'k', 'elsewhere'));
      await eventually('the other one arrives', async () => (await arrived()).includes('elsewhere'));
      expect(outbox.state()).toMatchObject({ trouble: { kind: 'lane', exchange: full } });
      const taken: string[] = [];
      const consumer = await transport.consume(full, { prefetch: 1 }, (delivery) => {
        taken.push(delivery.message.body.toString());
        void delivery.ack();
      });
      await outbox.drained();
      await eventually('all are taken', () => taken.length === ids.length);
      await consumer.close();
      expect(taken.toSorted()).toEqual(ids.toSorted());
    });
  });
});
