/** Deliveries: shared out, limited by prefetch, settled once. */
import { describe, expect } from 'vitest';
import type { Delivery } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';
import { at, type ContractTest, collect, text, texts } from './scene.js';

export function consumingTests(test: ContractTest): void {
  describe('consuming', () => {
    test('competing consumers get each message once, and both get some', async ({ scene }) => {
      const queue = await scene.queue();
      const other = await scene.open();
      const seen: string[] = [];
      const held: Delivery[] = [];
      const consumers = new Set<string>();
      let holding = true;
      const consumer = (name: string) => (delivery: Delivery) => {
        seen.push(text(delivery.message));
        consumers.add(name);
        // Each keeps its first delivery until the other has one as well, so neither can take them all.
        if (holding) held.push(delivery);
        else void delivery.ack();
      };
      const subscriptions = await Promise.all([
        scene.transport.consume(queue, { prefetch: 1 }, consumer('one')),
        other.consume(queue, { prefetch: 1 }, consumer('two')),
      ]);
      const sent = Array.from({ length: 50 }, (_, index) => String(index));
      await Promise.all(sent.map((body) => scene.put(queue, body)));
      await eventually('both consumers hold one', () => consumers.size === 2);
      holding = false;
      await Promise.all(held.map((delivery) => delivery.ack()));
      await eventually('all are seen', () => seen.length >= sent.length);
      await Promise.all(subscriptions.map((subscription) => subscription.close()));
      expect(seen.toSorted()).toEqual(sent.toSorted());
      expect(await scene.ready(queue)).toBe(0);
    });

    test('prefetch limits the unsettled deliveries, and settling one makes room for one', async ({
      scene,
    }) => {
      const queue = await scene.queue();
      for (let index = 0; index < 10; index += 1) await scene.put(queue, String(index));
      const { deliveries } = await collect(scene.transport, queue, 3, 3);
      expect(await scene.ready(queue)).toBe(7);
      await at(deliveries, 0).ack();
      await eventually('room for one more', () => deliveries.length === 4);
      expect(await scene.ready(queue)).toBe(6);
      expect(deliveries.map((delivery) => text(delivery.message))).toEqual(['0', '1', '2', '3']);
    });

    test('a waiting consumer gets what is published later', async ({ scene }) => {
      const queue = await scene.queue();
      const other = await scene.open();
      const waiting = collect(other, queue, 1);
      await eventually(
        'the consumer is there',
        async () => (await scene.transport.counts(queue))?.consumers === 1,
      );
      await scene.put(queue, 'later');
      expect(text(at((await waiting).deliveries, 0).message)).toBe('later');
    });

    test('a requeued message comes again in its place, flagged redelivered', async ({ scene }) => {
      const queue = await scene.queue();
      for (const body of ['a', 'b', 'c']) await scene.put(queue, body);
      const { deliveries, close } = await collect(scene.transport, queue, 2, 2);
      expect(await at(deliveries, 0).requeue()).toBe('settled');
      await eventually('a comes again', () => deliveries.length === 3);
      expect(deliveries.map(({ message }) => `${text(message)} ${message.redelivered}`)).toEqual([
        'a false',
        'b false',
        'a true',
      ]);
      await close();
      // b was requeued by closing, a twice: all three are back in the order of their publishing.
      const again = await scene.take(queue, 3);
      expect(again.map((message) => `${text(message)} ${message.redelivered}`)).toEqual([
        'a true',
        'b true',
        'c false',
      ]);
    });

    test('a redelivered message is otherwise the same', async ({ scene }) => {
      const queue = await scene.queue();
      await scene.put(queue, 'x', { messageId: 'm', headers: { a: 1 } });
      const { deliveries, close } = await collect(scene.transport, queue, 1);
      await close();
      const again = at(await scene.take(queue, 1), 0);
      expect(again).toStrictEqual({ ...at(deliveries, 0).message, redelivered: true });
    });

    test('nothing comes again after its ack', async ({ scene }) => {
      const queue = await scene.queue();
      const consuming = await scene.open();
      await Promise.all(Array.from({ length: 100 }, (_, index) => scene.put(queue, String(index))));
      const { deliveries } = await collect(consuming, queue, 100);
      expect(new Set(await Promise.all(deliveries.map((delivery) => delivery.ack())))).toEqual(
        new Set(['settled']),
      );
      await consuming.close();
      // Queues are ordered: whatever came again would come before this one.
      await scene.put(queue, 'marker');
      expect(texts(await scene.take(queue, 1))).toEqual(['marker']);
    });

    test('what a closed transport had not settled goes to the next consumer', async ({ scene }) => {
      const queue = await scene.queue();
      const closing = await scene.open();
      for (const body of ['a', 'b', 'c']) await scene.put(queue, body);
      const { deliveries } = await collect(closing, queue, 3);
      await at(deliveries, 1).ack();
      await closing.close();
      const rest = await scene.take(queue, 2);
      expect(rest.map((message) => `${text(message)} ${message.redelivered}`)).toEqual(['a true', 'c true']);
    });

    test('a rejected message without a dead-letter exchange is dropped', async ({ scene }) => {
      const queue = await scene.queue();
      await scene.put(queue, 'x');
      const { deliveries, close } = await collect(scene.transport, queue, 1);
      expect(await at(deliveries, 0).reject()).toBe('settled');
      await close();
      expect(await scene.ready(queue)).toBe(0);
    });

    test.for(['ack', 'requeue', 'reject'] as const)(
      'settling again after %s throws usage',
      async (how, { scene }) => {
        const queue = await scene.queue();
        await scene.put(queue, 'x');
        const { deliveries } = await collect(scene.transport, queue, 1);
        const delivery = at(deliveries, 0);
        await delivery[how]();
        for (const again of ['ack', 'requeue', 'reject'] as const) {
          await expect((async () => delivery[again]())()).rejects.toMatchObject({ code: 'usage' });
        }
      },
    );

    test('a stopped consumer takes no more, and what it holds can still be settled', async ({ scene }) => {
      const queue = await scene.queue();
      for (const body of ['a', 'b', 'c']) await scene.put(queue, body);
      const deliveries: Delivery[] = [];
      const subscription = await scene.transport.consume(queue, { prefetch: 1 }, (delivery) => {
        deliveries.push(delivery);
      });
      await eventually('the first delivery', () => deliveries.length === 1);
      await subscription.stop();
      expect(await at(deliveries, 0).ack()).toBe('settled');
      await subscription.close();
      await subscription.close();
      expect(deliveries).toHaveLength(1);
      expect(texts(await scene.take(queue, 2))).toEqual(['b', 'c']);
    });

    test('settling what a closed consumer held comes to lost', async ({ scene }) => {
      const queue = await scene.queue();
      await scene.put(queue, 'x');
      const { deliveries, close } = await collect(scene.transport, queue, 1);
      await close();
      expect(await at(deliveries, 0).ack()).toBe('lost');
      expect(texts(await scene.take(queue, 1))).toEqual(['x']);
    });

    test('two consumers of one transport are settled apart', async ({ scene }) => {
      const [one, two] = [await scene.queue(), await scene.queue()];
      for (const queue of [one, two]) await scene.put(queue, queue);
      const first = await collect(scene.transport, one, 1);
      const second = await collect(scene.transport, two, 1);
      await at(first.deliveries, 0).ack();
      await first.close();
      await second.close();
      expect([await scene.ready(one), await scene.ready(two)]).toEqual([0, 1]);
    });

    test('a missing queue rejects with queue-missing', async ({ scene }) => {
      const missing = scene.name('no-queue');
      await expect(scene.transport.consume(missing, {}, () => {})).rejects.toMatchObject({
        code: 'queue-missing',
      });
    });

    test('a consumer whose queue is deleted ends with queue-missing', async ({ scene }) => {
      const queue = await scene.queue();
      const subscription = await scene.transport.consume(queue, {}, () => {});
      const ended = expect(subscription.ended).rejects.toMatchObject({ code: 'queue-missing' });
      const other = await scene.open();
      await other.remove({ queues: [queue] });
      await ended;
      await subscription.close();
    });

    test('a handler may settle at once, later and out of order', async ({ scene }) => {
      const queue = await scene.queue();
      for (let index = 0; index < 6; index += 1) await scene.put(queue, String(index));
      const { deliveries, close } = await collect(scene.transport, queue, 6);
      await Promise.all([5, 0, 3].map((index) => at(deliveries, index).ack()));
      await close();
      expect(texts(await scene.take(queue, 3))).toEqual(['1', '2', '4']);
    });
  });
}
