/** Browsing and counting: looking without taking. */
import { describe, expect } from 'vitest';
import type { ReceivedMessage } from '../../../src/core/message.js';
import type { BrowseOptions, Transport } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';
import type { Harness } from './harness.js';
import { type ContractTest, collect, type Scene, text, texts } from './scene.js';

export function browseTests(test: ContractTest, harness: Harness): void {
  describe('browsing', () => {
    test('messages are seen in order with all they carry, and stay', async ({ scene }) => {
      const { queue, bodies } = await filled(scene, 50);
      const seen = await browse(scene.transport, queue);
      expect(texts(seen)).toEqual(bodies);
      expect(seen[7]?.properties).toEqual({ messageId: '7', headers: { index: 7 }, deliveryMode: 2 });
      expect(seen[7]?.routingKey).toBe(queue);
      await eventually('all are ready', async () => (await scene.ready(queue)) === 50);
      expect(texts(await scene.take(queue, 50))).toEqual(bodies);
    });

    test('a limit ends it early', async ({ scene }) => {
      const { queue } = await filled(scene, 10);
      expect(texts(await browse(scene.transport, queue, { limit: 3 }))).toEqual(['0', '1', '2']);
      expect(texts(await browse(scene.transport, queue, { limit: 99 }))).toHaveLength(10);
      await eventually('all are ready', async () => (await scene.ready(queue)) === 10);
    });

    test('a reader that leaves early leaves everything', async ({ scene }) => {
      const { queue } = await filled(scene, 10);
      for await (const message of scene.transport.browse(queue)) {
        if (text(message) === '4') break;
      }
      await eventually('all are ready', async () => (await scene.ready(queue)) === 10);
    });

    test('an empty queue has nothing to see', async ({ scene }) => {
      expect(await browse(scene.transport, await scene.queue())).toEqual([]);
    });

    test('browsing twice sees the same', async ({ scene }) => {
      const { queue, bodies } = await filled(scene, 5);
      for (let round = 0; round < 3; round += 1) {
        expect(texts(await browse(scene.transport, queue))).toEqual(bodies);
        await eventually('all are ready', async () => (await scene.ready(queue)) === 5);
      }
    });

    test('the redelivered flag is left alone exactly if the feature says so', async ({ scene }) => {
      const { queue } = await filled(scene, 2);
      const seen = await browse(scene.transport, queue);
      expect(seen.map(({ redelivered }) => redelivered)).toEqual([false, false]);
      await eventually('all are ready', async () => (await scene.ready(queue)) === 2);
      const flag = !harness.features.browseLeavesNoTrace;
      expect((await scene.take(queue, 2)).map(({ redelivered }) => redelivered)).toEqual([flag, flag]);
    });

    test('messages in a consumer’s hands are not seen', async ({ scene }) => {
      const { queue } = await filled(scene, 5);
      await collect(scene.transport, queue, 2, 2);
      const other = await scene.open();
      expect(texts(await browse(other, queue))).toEqual(['2', '3', '4']);
    });

    test('browsing does not make a dead-lettering queue give anything up', async ({ scene }) => {
      const dead = await scene.queue();
      const queue = await scene.queue({ 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': dead });
      await scene.put(queue, 'x');
      expect(texts(await browse(scene.transport, queue))).toEqual(['x']);
      await eventually('it is ready', async () => (await scene.ready(queue)) === 1);
      expect(await scene.ready(dead)).toBe(0);
    });

    test('a missing queue rejects with queue-missing', async ({ scene }) => {
      const missing = scene.name('no-queue');
      await expect(browse(scene.transport, missing)).rejects.toMatchObject({ code: 'queue-missing' });
    });
  });

  describe('counting', () => {
    test('ready messages and consumers are counted', async ({ scene }) => {
      const { queue } = await filled(scene, 3);
      expect(await scene.transport.counts(queue)).toEqual({ ready: 3, consumers: 0 });
      const { close } = await collect(scene.transport, queue, 2, 2);
      expect(await scene.transport.counts(queue)).toEqual({ ready: 1, consumers: 1 });
      await close();
      await eventually('they are back', async () => (await scene.transport.counts(queue))?.ready === 3);
      expect(await scene.transport.counts(queue)).toEqual({ ready: 3, consumers: 0 });
    });

    test('a queue that does not exist has no counts', async ({ scene }) => {
      expect(await scene.transport.counts(scene.name('no-queue'))).toBeUndefined();
    });

    test('asking for missing queues leaves running consumers and publishes alone', async ({ scene }) => {
      const queue = await scene.queue();
      const { deliveries } = await collect(scene.transport, queue, 0, 50);
      const asked = Array.from({ length: 20 }, () => scene.transport.counts(scene.name('no-queue')));
      await Promise.all(Array.from({ length: 20 }, (_, index) => scene.put(queue, String(index))));
      expect(new Set(await Promise.all(asked))).toEqual(new Set([undefined]));
      await eventually('all are delivered', () => deliveries.length === 20);
      expect(deliveries.some(({ message }) => message.redelivered)).toBe(false);
      expect(await Promise.all(deliveries.map((delivery) => delivery.ack()))).toEqual(
        deliveries.map(() => 'settled'),
      );
    });
  });
}

async function filled(scene: Scene, count: number) {
  const queue = await scene.queue();
  const bodies = Array.from({ length: count }, (_, index) => String(index));
  for (const [index, body] of bodies.entries()) {
    await scene.put(queue, body, { messageId: body, headers: { index } });
  }
  return { queue, bodies };
}

async function browse(
  transport: Transport,
  queue: string,
  options?: BrowseOptions,
): Promise<ReceivedMessage[]> {
  const seen: ReceivedMessage[] = [];
  for await (const message of transport.browse(queue, options)) seen.push(message);
  return seen;
}
