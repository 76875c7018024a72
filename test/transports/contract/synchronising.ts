/** Knowing that the broker has what was settled, and being told when what is in hand is lost. */
import { describe, expect } from 'vitest';
import type { Delivery, QueueSubscription, Transport } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';
import type { Harness } from './harness.js';
import { at, type ContractTest, text, texts } from './scene.js';

export function synchroniseTests(test: ContractTest, harness: Harness): void {
  describe('synchronising', () => {
    test('nothing that was settled before comes again, though the process dies in the same turn', async ({
      scene,
    }) => {
      const queue = await scene.queue();
      const count = 200;
      await Promise.all(Array.from({ length: count }, (_, index) => scene.put(queue, String(index))));
      const program = scene.program('ack-and-die.mjs', queue, String(count));
      await program.printed('settled');
      await program.ended;
      const left = Array.from({ length: count }, (_, index) => index)
        .filter((index) => index % 2 === 1 && index % 3 !== 0)
        .map(String);
      await eventually('the rest is back', async () => (await scene.ready(queue)) >= left.length);
      expect(texts(await scene.take(queue, left.length))).toEqual(left);
      expect(await scene.ready(queue)).toBe(0);
    });

    test('an ack need not be awaited before', async ({ scene }) => {
      const queue = await scene.queue();
      await scene.put(queue, 'x');
      const other = await scene.open();
      const { subscription, deliveries } = await consume(other, queue, 1);
      const ack = at(deliveries, 0).ack();
      expect(await subscription.synchronise()).toBe('settled');
      expect(await ack).toBe('settled');
      await other.close();
      expect(await scene.ready(queue)).toBe(0);
    });

    test('with nothing to wait for it is settled, and deliveries go on', async ({ scene }) => {
      const queue = await scene.queue();
      const { subscription, deliveries } = await consume(scene.transport, queue, 0);
      expect(await Promise.all([subscription.synchronise(), subscription.synchronise()])).toEqual([
        'settled',
        'settled',
      ]);
      await scene.put(queue, 'later');
      await eventually('it is delivered', () => deliveries.length === 1);
    });

    test('prefetch is the same after it', async ({ scene }) => {
      const queue = await scene.queue();
      for (let index = 0; index < 6; index += 1) await scene.put(queue, String(index));
      const { subscription, deliveries } = await consume(scene.transport, queue, 2, 2);
      await at(deliveries, 0).ack();
      expect(await subscription.synchronise()).toBe('settled');
      await eventually('room for one more', () => deliveries.length === 3);
      await subscription.synchronise();
      expect(await scene.ready(queue)).toBe(3);
      expect(deliveries).toHaveLength(3);
    });

    test('after stop it still is answered, after close it rejects with closed', async ({ scene }) => {
      const queue = await scene.queue();
      await scene.put(queue, 'x');
      const { subscription, deliveries } = await consume(scene.transport, queue, 1);
      await subscription.stop();
      void at(deliveries, 0).ack();
      expect(await subscription.synchronise()).toBe('settled');
      await subscription.close();
      await expect(subscription.synchronise()).rejects.toMatchObject({ code: 'closed' });
      expect(await scene.ready(queue)).toBe(0);
    });

    test('what is settled after its queue was deleted is lost, and that is told', async ({ scene }) => {
      const queue = await scene.queue();
      await scene.put(queue, 'x');
      let losses = 0;
      const { subscription, deliveries } = await consume(scene.transport, queue, 1, 10, () => {
        losses += 1;
      });
      await (await scene.open()).remove({ queues: [queue] });
      await eventually('the loss is told', () => losses === 1);
      expect(await at(deliveries, 0).ack()).toBe('lost');
      expect(await subscription.synchronise()).toBe('lost');
      await expect(subscription.ended).rejects.toMatchObject({ code: 'queue-missing' });
      expect(losses).toBe(1);
    });
  });

  if (harness.features.remote) connectionTests(test, harness);
}

function connectionTests(test: ContractTest, { interrupt }: Harness): void {
  if (interrupt === undefined) throw new Error('a harness of a remote broker interrupts it');
  describe('synchronising across a lost connection', () => {
    test('what was synchronised before never comes again', async ({ scene }) => {
      const queue = await scene.queue();
      const consuming = await scene.open();
      await Promise.all(Array.from({ length: 100 }, (_, index) => scene.put(queue, String(index))));
      const { subscription, deliveries } = await consume(consuming, queue, 100);
      for (const delivery of deliveries.slice(0, 90)) void delivery.ack();
      expect(await subscription.synchronise()).toBe('settled');
      await interrupt();
      await eventually('the rest comes again', () => deliveries.length >= 110, { withinMs: 25_000 });
      // Nothing was lost but what was in hand, and that was not settled.
      expect(await subscription.synchronise()).toBe('settled');
      await Promise.all(deliveries.slice(100).map((delivery) => delivery.ack()));
      await subscription.close();
      expect(deliveries.slice(100).map(({ message }) => text(message))).toEqual(
        Array.from({ length: 10 }, (_, index) => String(90 + index)),
      );
      expect(await scene.ready(queue)).toBe(0);
    });

    test('the loss is told before anything is delivered anew', async ({ scene }) => {
      const queue = await scene.queue();
      const consuming = await scene.open();
      for (const body of ['a', 'b']) await scene.put(queue, body);
      const story: string[] = [];
      await consuming.consume(queue, { onLost: () => story.push('lost') }, ({ message }) => {
        story.push(`${text(message)} ${message.redelivered}`);
      });
      await eventually('both are delivered', () => story.length === 2);
      await interrupt();
      await eventually('both come again', () => story.length >= 5, { withinMs: 25_000 });
      expect(story).toEqual(['a false', 'b false', 'lost', 'a true', 'b true']);
    });

    test('a stopped consumer is told, too', async ({ scene }) => {
      const queue = await scene.queue();
      const consuming = await scene.open();
      await scene.put(queue, 'x');
      let losses = 0;
      const { subscription, deliveries } = await consume(consuming, queue, 1, 10, () => {
        losses += 1;
      });
      await subscription.stop();
      await interrupt();
      await eventually('the loss is told', () => losses === 1, { withinMs: 25_000 });
      expect(await at(deliveries, 0).ack()).toBe('lost');
      expect(await subscription.synchronise()).toBe('lost');
      await subscription.close();
      expect(texts(await scene.take(queue, 1))).toEqual(['x']);
    });

    test('what was settled on the old channel and not synchronised is told as lost, once', async ({
      scene,
    }) => {
      const queue = await scene.queue();
      const consuming = await scene.open();
      for (const body of ['a', 'b']) await scene.put(queue, body);
      const { subscription, deliveries } = await consume(consuming, queue, 2);
      expect(await at(deliveries, 0).ack()).toBe('settled');
      await interrupt();
      await eventually(
        'b comes again',
        () => text(at(deliveries, -1).message) === 'b' && deliveries.length > 2,
        {
          withinMs: 25_000,
        },
      );
      expect(await Promise.all([subscription.synchronise(), subscription.synchronise()])).toEqual([
        'lost',
        'lost',
      ]);
      for (const delivery of deliveries.slice(2)) void delivery.ack();
      expect(await subscription.synchronise()).toBe('settled');
      await consuming.close();
      expect(await scene.ready(queue)).toBe(0);
    });
  });
}

async function consume(
  transport: Transport,
  queue: string,
  count: number,
  prefetch = 1_000,
  onLost?: () => void,
): Promise<{ readonly subscription: QueueSubscription; readonly deliveries: Delivery[] }> {
  const deliveries: Delivery[] = [];
  const options = { prefetch, ...(onLost !== undefined && { onLost }) };
  const subscription = await transport.consume(queue, options, (delivery) => {
    deliveries.push(delivery);
  });
  await eventually(`${count} deliveries from ${queue}`, () => deliveries.length >= count);
  return { subscription, deliveries };
}
