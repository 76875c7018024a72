/** Exclusive and auto-deleted queues live as long as their owner. */
import { describe, expect } from 'vitest';
import { isEventsError } from '../../../src/core/errors.js';
import { EMPTY_TOPOLOGY, queue as queueSpec } from '../../../src/core/topology/model.js';
import type { Transport } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';
import { message, outcome } from './publishing.js';
import { at, type ContractTest, collect, text } from './scene.js';

const EXCLUSIVE = { durable: false, exclusive: true, autoDelete: true };
/** What serves as a lock: nobody consumes it, so it must not wait for a consumer to go. */
const LOCK = { durable: false, exclusive: true, autoDelete: false };

export function ownershipTests(test: ContractTest): void {
  describe('queues with an owner', () => {
    test('an exclusive queue serves its owner', async ({ scene }) => {
      const queue = await scene.queue({}, EXCLUSIVE);
      await scene.put(queue, 'x');
      const { deliveries } = await collect(scene.transport, queue, 1);
      expect(text(at(deliveries, 0).message)).toBe('x');
    });

    test('an exclusive queue is locked to everybody else', async ({ scene }) => {
      const queue = await scene.queue({}, EXCLUSIVE);
      const other = await scene.open();
      await expect(other.consume(queue, {}, () => {})).rejects.toMatchObject({ code: 'queue-locked' });
    });

    test('anybody may publish to an exclusive queue', async ({ scene }) => {
      const queue = await scene.queue({}, EXCLUSIVE);
      const { deliveries } = await collect(scene.transport, queue, 0, 1);
      const other = await scene.open();
      await other.publish(message('', queue, 'x'));
      await eventually('it arrives', () => deliveries.length === 1);
    });

    test('an exclusive queue is gone when its owner closes', async ({ scene }) => {
      const owner = await scene.open();
      const queue = scene.name('queue');
      await owner.apply({ exchanges: [], queues: [queueSpec(queue, {}, EXCLUSIVE)], bindings: [] });
      expect(await outcome(scene, message('', queue, 'x'))).toBe('confirmed');
      await owner.close();
      await eventually(
        'it is gone',
        async () => (await outcome(scene, message('', queue, 'x'))) === 'unroutable',
      );
      expect(await scene.transport.counts(queue)).toBeUndefined();
    });

    test('an exclusive, auto-deleted queue is gone after its owner was killed', async ({ scene }) => {
      const exchange = await scene.exchange('topic');
      const queue = scene.name('queue');
      const owner = scene.program('own-queue.mjs', exchange, queue);
      await owner.printed('ready');
      expect(await outcome(scene, message(exchange, 'k', 'x'))).toBe('confirmed');
      await owner.kill();
      await eventually(
        'it is gone',
        async () => (await outcome(scene, message(exchange, 'k', 'x'))) === 'unroutable',
      );
      expect(await scene.transport.counts(queue)).toBeUndefined();
    });

    test('the name of a killed owner’s queue is free again', async ({ scene }) => {
      const exchange = await scene.exchange('topic');
      const queue = scene.name('queue');
      const owner = scene.program('own-queue.mjs', exchange, queue);
      await owner.printed('ready');
      await owner.kill();
      await eventually('it can be declared', async () => {
        await scene.declare({ queues: [queueSpec(queue)] });
        return true;
      });
      await scene.put(queue, 'x');
      expect(await scene.ready(queue)).toBe(1);
    });

    test('declaring an exclusive queue that another connection holds rejects with queue-locked', async ({
      scene,
    }) => {
      const lock = await scene.queue({}, LOCK);
      const other = await scene.open();
      const taking = () => other.apply({ ...EMPTY_TOPOLOGY, queues: [queueSpec(lock, {}, LOCK)] });
      await expect(taking()).rejects.toMatchObject({ code: 'queue-locked', hint: expect.any(String) });
      await expect(taking()).rejects.toThrow(lock);
      // Its owner may, as often as it likes: that is how it makes sure that it still holds it.
      await scene.declare({ queues: [queueSpec(lock, {}, LOCK)] });
      expect(await scene.transport.counts(lock)).toEqual({ ready: 0, consumers: 0 });
    });

    test('of many who declare an exclusive queue at once, one gets it', async ({ scene }) => {
      const lock = scene.name('queue');
      const rivals = await Promise.all(Array.from({ length: 6 }, () => scene.open()));
      await Promise.all(rivals.map((rival) => rival.open()));
      const outcomes = await Promise.all(
        rivals.map((rival) =>
          rival.apply({ ...EMPTY_TOPOLOGY, queues: [queueSpec(lock, {}, LOCK)] }).then(
            () => 'held',
            (error: unknown) => (isEventsError(error) ? error.code : String(error)),
          ),
        ),
      );
      expect(outcomes.toSorted()).toEqual(['held', ...Array.from({ length: 5 }, () => 'queue-locked')]);
    });

    test.for(['closes', 'is killed'] as const)(
      'an exclusive queue that nobody consumes is free again when its owner %s',
      async (how, { scene }) => {
        const lock = scene.name('queue');
        const take = (transport: Transport) =>
          transport.apply({ ...EMPTY_TOPOLOGY, queues: [queueSpec(lock, {}, LOCK)] });
        if (how === 'closes') {
          const owner = await scene.open();
          await take(owner);
          await owner.close();
        } else {
          const owner = scene.program('hold-lock.mjs', lock);
          await owner.printed('locked');
          await expect(take(scene.transport)).rejects.toMatchObject({ code: 'queue-locked' });
          await owner.kill();
        }
        await eventually('it can be taken', async () => {
          await take(scene.transport);
          return true;
        });
      },
    );

    test('an auto-deleted queue waits for its first consumer and goes with its last', async ({ scene }) => {
      const queue = await scene.queue({}, { autoDelete: true });
      await scene.put(queue, 'x');
      const [one, two] = [await scene.open(), await scene.open()];
      const first = await one.consume(queue, {}, () => {});
      const second = await two.consume(queue, {}, () => {});
      await first.close();
      expect(await scene.transport.counts(queue)).toMatchObject({ consumers: 1 });
      await second.close();
      await eventually('it is gone', async () => (await scene.transport.counts(queue)) === undefined);
    });

    test('an auto-deleted exchange goes with its last binding', async ({ scene }) => {
      const exchange = scene.name('exchange');
      const queue = await scene.queue();
      await scene.declare({
        exchanges: [{ name: exchange, type: 'topic', durable: true, autoDelete: true, arguments: {} }],
        bindings: [{ exchange, queue, key: '#' }],
      });
      expect(await outcome(scene, message(exchange, 'k', 'x'))).toBe('confirmed');
      await scene.transport.remove({ queues: [queue] });
      await eventually(
        'it is gone',
        async () => (await outcome(scene, message(exchange, 'k', 'x'))) === 'exchange-missing',
      );
    });
  });
}
