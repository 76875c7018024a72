/** How many handlers run at once, and which events wait for which. */
import { expect } from 'vitest';
import { PermanentError } from '../../../src/index.js';
import { eventually, gate } from '../../await.js';
import { onBothBrokers } from './stage.js';

onBothBrokers('concurrency and order', (test, stage) => {
  test('as many handlers run at once as the prefetch allows', async () => {
    const { bus, names, options, ready } = await stage();
    const door = gate();
    const consumer = await bus.consume(
      names.queue,
      { 'order.paid': () => door.opened },
      options({ prefetch: 3 }),
    );
    for (let n = 0; n < 5; n++) await bus.publish('order.paid', { order: 'A', n });
    await eventually('three run', () => consumer.state().running === 3);
    expect(await ready(names.queue)).toBe(2);
    door.open();
    await eventually(
      'all are done',
      async () => (await ready(names.queue)) === 0 && consumer.state().running === 0,
    );
  });

  test('concurrency bounds the handlers, not what is in hand', async () => {
    const { bus, names, options, ready } = await stage();
    let most = 0;
    let running = 0;
    let done = 0;
    const door = gate();
    const consumer = await bus.consume(
      names.queue,
      {
        async 'order.paid'() {
          most = Math.max(most, ++running);
          await door.opened;
          running--;
          done++;
        },
      },
      options({ concurrency: 2 }),
    );
    for (let n = 0; n < 6; n++) await bus.publish('order.paid', { order: 'A', n });
    await eventually('all are in hand', () => consumer.state().waiting === 4);
    expect(consumer.state()).toMatchObject({ running: 2, waiting: 4 });
    expect(await ready(names.queue)).toBe(0);
    door.open();
    await eventually('all are done', () => done === 6);
    expect(most).toBe(2);
  });

  test('events of one key keep their order while one of them fails; other keys go on', async () => {
    const { bus, names, options, ready } = await stage();
    const seen: string[] = [];
    const door = gate();
    await bus.consume(
      names.queue,
      {
        async 'order.paid'({ data }, { attempt }) {
          seen.push(`${data.order}${data.n}/${attempt}`);
          if (data.order !== 'A' || data.n !== 1) return;
          if (attempt === 0) throw new Error('the carrier sleeps');
          await door.opened;
          if (attempt === 1) throw new Error('the carrier sleeps');
        },
      },
      options({
        orderBy: ({ data }) => (data as { order: string }).order,
        retry: { delaysMs: [80, 40], jitter: 0 },
      }),
    );
    for (const n of [1, 2, 3]) {
      await bus.publish('order.paid', { order: 'A', n });
      await bus.publish('order.paid', { order: 'B', n });
    }
    const of = (order: string) => seen.filter((one) => one.startsWith(order));
    await eventually('B is done, A is tried again', () => of('B').length === 3 && of('A').length === 2);
    expect([of('A'), of('B')]).toEqual([
      ['A1/0', 'A1/1'],
      ['B1/0', 'B2/0', 'B3/0'],
    ]);
    door.open();
    await eventually('all are done', () => seen.length === 8);
    expect(of('A')).toEqual(['A1/0', 'A1/1', 'A1/2', 'A2/0', 'A3/0']);
    // In place: nothing went through a delay queue.
    expect(await bus.transport.counts(`${names.queue}.retry.80`)).toBeUndefined();
    await eventually('acked', async () => (await ready(names.queue)) === 0);
  });

  test('an event that is given up makes room for the next of its key', async () => {
    const { bus, names, options, dead } = await stage();
    const seen: unknown[] = [];
    await bus.consume(
      names.queue,
      {
        'order.paid'({ data }) {
          seen.push(data.n);
          if (data.n === 1) throw new Error('no');
        },
      },
      options({ orderBy: () => 'one', retry: { delaysMs: [20], jitter: 0 } }),
    );
    await bus.publish('order.paid', { order: 'A', n: 1 });
    await bus.publish('order.paid', { order: 'A', n: 2 });
    expect((await dead(1))[0]?.record).toMatchObject({ reason: 'exhausted', attempts: 2 });
    await eventually('the next is handled', () => seen.length === 3);
    expect(seen).toEqual([1, 1, 2]);
  });

  test('a key that fills the prefetch while it fails halts the others, which is told of', async () => {
    const { bus, names, options, troubles, dead } = await stage();
    let good = 0;
    const consumer = await bus.consume(
      names.queue,
      {
        'order.paid'({ data }, { attempt }) {
          if (data.n === 1 && attempt === 0) throw new Error('the carrier sleeps');
          if (data.order === 'bad') throw new PermanentError('no');
          good++;
        },
      },
      options({
        orderBy: ({ data }) => (data as { order: string }).order,
        prefetch: 3,
        retry: { delaysMs: [2_000], jitter: 0 },
      }),
    );
    await bus.publish('order.paid', { order: 'good' });
    const { id } = await bus.publish('order.paid', { order: 'bad', n: 1 });
    await bus.publish('order.paid', { order: 'bad', n: 2 });
    await eventually('one rests, one waits', () => consumer.state().waiting === 1);
    expect([good, troubles]).toEqual([1, []]); // there is room
    await bus.publish('order.paid', { order: 'bad', n: 3 });
    await bus.publish('order.paid', { order: 'good' });
    await eventually('it is told', () => troubles.length > 0);
    const [halted] = troubles;
    expect(halted).toMatchObject({ kind: 'halted', queue: names.queue, inHand: 3 });
    if (halted?.kind !== 'halted') return;
    expect(halted.message.properties.messageId).toBe(id);
    expect(halted.nextTryMs).toBeLessThanOrEqual(2_000);
    expect(String(halted.error)).toContain('the carrier sleeps');
    expect(good).toBe(1);
    await dead(3);
    await eventually('the other is handled', () => good === 2);
    expect(troubles).toHaveLength(1);
  });

  test('an event whose key cannot be told fails like one whose handler fails', async () => {
    const { bus, names, options, dead } = await stage();
    let calls = 0;
    await bus.consume(
      names.queue,
      { 'order.paid': () => void calls++ },
      options({
        orderBy: () => {
          throw new Error('no key');
        },
        retry: { delaysMs: [20], jitter: 0 },
      }),
    );
    await bus.publish('order.paid', { order: 'A' });
    expect((await dead(1))[0]?.record).toMatchObject({ message: 'no key', attempts: 2 });
    expect(calls).toBe(0);
  });
});
