/** Priority, and queues that hold only so much. */
import { describe, expect } from 'vitest';
import { message, outcome } from './publishing.js';
import { type ContractTest, texts } from './scene.js';

export function limitTests(test: ContractTest): void {
  describe('priority', () => {
    test('higher priorities go first, equal ones in order, none counts as 0', async ({ scene }) => {
      const queue = await scene.queue({ 'x-max-priority': 10 });
      const priorities = [0, 5, 10, undefined, 5, 0, 10, 9];
      for (const [index, priority] of priorities.entries()) {
        await scene.put(queue, `${index}:${priority ?? 'none'}`, priority === undefined ? {} : { priority });
      }
      expect(texts(await scene.take(queue, priorities.length))).toEqual([
        '2:10',
        '6:10',
        '7:9',
        '1:5',
        '4:5',
        '0:0',
        '3:none',
        '5:0',
      ]);
    });

    test('a priority above the limit of the queue counts as the limit', async ({ scene }) => {
      const queue = await scene.queue({ 'x-max-priority': 3 });
      await scene.put(queue, 'two', { priority: 2 });
      await scene.put(queue, 'three', { priority: 3 });
      await scene.put(queue, 'two hundred', { priority: 200 });
      expect(texts(await scene.take(queue, 3))).toEqual(['three', 'two hundred', 'two']);
    });

    test('a queue without priorities ignores them', async ({ scene }) => {
      const queue = await scene.queue();
      await scene.put(queue, 'low', { priority: 1 });
      await scene.put(queue, 'high', { priority: 9 });
      expect(texts(await scene.take(queue, 2))).toEqual(['low', 'high']);
    });
  });

  describe('length limits', () => {
    test('a full queue drops its head for what comes new', async ({ scene }) => {
      const queue = await scene.queue({ 'x-max-length': 3 });
      for (const body of ['a', 'b', 'c', 'd', 'e']) await scene.put(queue, body);
      expect(texts(await scene.take(queue, 3))).toEqual(['c', 'd', 'e']);
    });

    test('a queue full by bytes drops its head', async ({ scene }) => {
      const queue = await scene.queue({ 'x-max-length-bytes': 10 });
      for (const body of ['aaaa', 'bbbb', 'cccc']) await scene.put(queue, body);
      expect(texts(await scene.take(queue, 2))).toEqual(['bbbb', 'cccc']);
    });

    test('messages in hand do not count', async ({ scene }) => {
      const queue = await scene.queue({ 'x-max-length': 1 });
      await scene.put(queue, 'held');
      const consumer = await scene.open();
      const held: string[] = [];
      let heldOne = () => {};
      const inHand = new Promise<void>((resolve) => {
        heldOne = resolve;
      });
      await consumer.consume(queue, { prefetch: 1 }, (delivery) => {
        held.push(delivery.message.body.toString());
        heldOne();
      });
      await inHand;
      await scene.put(queue, 'waiting');
      expect(await scene.ready(queue)).toBe(1);
      expect(held).toEqual(['held']);
    });

    test('a full queue with reject-publish refuses what comes new', async ({ scene }) => {
      const queue = await scene.queue({ 'x-max-length': 2, 'x-overflow': 'reject-publish' });
      const outcomes: string[] = [];
      for (const body of ['a', 'b', 'c', 'd']) outcomes.push(await outcome(scene, message('', queue, body)));
      expect(outcomes).toEqual(['confirmed', 'confirmed', 'publish-refused', 'publish-refused']);
      expect(texts(await scene.take(queue, 2))).toEqual(['a', 'b']);
      expect(await outcome(scene, message('', queue, 'room again'))).toBe('confirmed');
    });

    test('a refusal rejects its own publish and none of its neighbours in flight', async ({ scene }) => {
      const full = await scene.queue({ 'x-max-length': 0, 'x-overflow': 'reject-publish' });
      const queue = await scene.queue();
      const outcomes = await Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          outcome(scene, message('', index % 10 === 0 ? full : queue, String(index))),
        ),
      );
      expect(outcomes).toEqual(
        outcomes.map((_, index) => (index % 10 === 0 ? 'publish-refused' : 'confirmed')),
      );
      expect(await scene.ready(queue)).toBe(90);
    });
  });
}
