/** Time to live, per message and per queue. Dead-lettering makes expiry visible without a clock. */
import { describe, expect } from 'vitest';
import { eventually } from '../../await.js';
import { type ContractTest, type Scene, text, texts } from './scene.js';

const LONG_MS = 3_600_000;

export function expiryTests(test: ContractTest): void {
  describe('time to live', () => {
    test('a message is given up when its own time is over', async ({ scene }) => {
      const { queue, dead } = await dyingQueue(scene);
      await scene.put(queue, 'x', { expiration: '20' });
      await arrived(scene, dead, 1);
      expect(await scene.ready(queue)).toBe(0);
    });

    test('a queue gives up every message after the same time', async ({ scene }) => {
      const { queue, dead } = await dyingQueue(scene, { 'x-message-ttl': 20 });
      for (const body of ['a', 'b', 'c']) await scene.put(queue, body);
      await arrived(scene, dead, 3);
      expect(texts(await scene.take(dead, 3))).toEqual(['a', 'b', 'c']);
    });

    test('the lower of the two times wins', async ({ scene }) => {
      const short = await dyingQueue(scene, { 'x-message-ttl': 20 });
      const long = await dyingQueue(scene, { 'x-message-ttl': LONG_MS });
      await scene.put(short.queue, 'queue', { expiration: String(LONG_MS) });
      await scene.put(long.queue, 'message', { expiration: '20' });
      await arrived(scene, short.dead, 1);
      await arrived(scene, long.dead, 1);
    });

    test('a message whose time is over is not delivered', async ({ scene }) => {
      const { queue, dead } = await dyingQueue(scene);
      await scene.put(queue, 'dead', { expiration: '1' });
      await arrived(scene, dead, 1);
      await scene.put(queue, 'alive');
      expect(texts(await scene.take(queue, 1))).toEqual(['alive']);
    });

    test('a message expires only at the head of its queue', async ({ scene }) => {
      const { queue, dead } = await dyingQueue(scene);
      await scene.put(queue, 'head');
      await scene.put(queue, 'behind', { expiration: '20' });
      await pastMs(scene, 20);
      expect(await scene.ready(queue)).toBe(2);
      expect(await scene.ready(dead)).toBe(0);
      expect(texts(await scene.take(queue, 1))).toEqual(['head']);
      await arrived(scene, dead, 1);
      expect(texts(await scene.take(dead, 1))).toEqual(['behind']);
    });

    test('a time of 0 expires what cannot be delivered at once', async ({ scene }) => {
      const { queue, dead } = await dyingQueue(scene);
      await scene.put(queue, 'x', { expiration: '0' });
      await arrived(scene, dead, 1);
    });

    test('a message in hand does not expire', async ({ scene }) => {
      const { queue, dead } = await dyingQueue(scene, { 'x-message-ttl': LONG_MS });
      const inHand: string[] = [];
      const subscription = await scene.transport.consume(queue, { prefetch: 1 }, (delivery) => {
        inHand.push(text(delivery.message));
      });
      // Long enough to be delivered on a busy machine; the clock below outlasts it.
      await scene.put(queue, 'held', { expiration: '500' });
      await eventually('it is in hand', () => inHand.length === 1);
      await pastMs(scene, 500);
      expect(await scene.ready(dead)).toBe(0);
      await subscription.close();
      await arrived(scene, dead, 1);
    });

    test('an expired message without a dead-letter exchange is dropped', async ({ scene }) => {
      const queue = await scene.queue();
      await scene.put(queue, 'x', { expiration: '1' });
      await eventually('the queue is empty', async () => (await scene.ready(queue)) === 0);
    });

    test('expiry makes room for a waiting consumer of the dead letters', async ({ scene }) => {
      const { queue, dead } = await dyingQueue(scene);
      const taken = scene.take(dead, 1);
      await scene.put(queue, 'x', { expiration: '20' });
      expect(texts(await taken)).toEqual(['x']);
    });
  });
}

async function dyingQueue(
  scene: Scene,
  args: Record<string, number> = {},
): Promise<{ readonly queue: string; readonly dead: string }> {
  const dead = await scene.queue();
  const queue = await scene.queue({
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': dead,
    ...args,
  });
  return { queue, dead };
}

async function arrived(scene: Scene, queue: string, count: number): Promise<void> {
  await eventually(`${count} in ${queue}`, async () => (await scene.ready(queue)) === count);
}

/** The broker's own clock as witness: something published now with that time to live has expired. */
async function pastMs(scene: Scene, milliseconds: number): Promise<void> {
  const { queue, dead } = await dyingQueue(scene, { 'x-message-ttl': milliseconds });
  await scene.put(queue, 'tick');
  await arrived(scene, dead, 1);
}
