/** The end of a consumer: what it finishes, and what it hands back. */
import { expect } from 'vitest';
import { eventually, gate, within } from '../../await.js';
import { onBothBrokers } from './stage.js';

onBothBrokers('closing a consumer', (test, stage, kind) => {
  test('what runs is finished, what has not begun goes back unhandled', async () => {
    const { bus, names, options, ready } = await stage();
    const door = gate();
    const begun: unknown[] = [];
    const consumer = await bus.consume(
      names.queue,
      {
        async 'order.paid'({ data }) {
          begun.push(data.n);
          await door.opened;
        },
      },
      options({ concurrency: 1 }),
    );
    for (const n of [1, 2, 3]) await bus.publish('order.paid', { order: 'A', n });
    await eventually('one runs, two wait', () => consumer.state().waiting === 2);
    const closed = consumer.close();
    await eventually('two are back', async () => (await ready(names.queue)) === 2);
    door.open();
    await within('closed', closed);
    expect(begun).toEqual([1]);
    expect(await ready(names.queue)).toBe(2);
    expect(consumer.close()).toBe(closed);
    await within('ended', consumer.ended);
  });

  test('what runs past the deadline is told by its signal and handed back', async () => {
    const { bus, names, options, ready, dead, deadLettered } = await stage();
    let aborted = false;
    const consumer = await bus.consume(
      names.queue,
      {
        'order.paid': (_event, { signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => {
              aborted = true;
              reject(signal.reason);
            });
          }),
      },
      options({ retry: false }),
    );
    await bus.publish('order.paid', { order: 'A' });
    await eventually('it runs', () => consumer.state().running === 1);
    await within('closed', consumer.close({ deadlineMs: 30 }));
    expect(aborted).toBe(true);
    await eventually('it is back', async () => (await ready(names.queue)) === 1);
    // Being told to end is no failure of the event.
    expect(deadLettered).toEqual([]);
    await dead(0);
  });

  test('a failure during the close is still brought to its delay queue', async () => {
    const { bus, names, options, ready } = await stage();
    const door = gate();
    const consumer = await bus.consume(
      names.queue,
      {
        async 'order.paid'() {
          await door.opened;
          throw new Error('no');
        },
      },
      options({ retry: { delaysMs: [60_000] } }),
    );
    await bus.publish('order.paid', { order: 'A' });
    await eventually('it runs', () => consumer.state().running === 1);
    const closed = consumer.close();
    door.open();
    await within('closed', closed);
    expect([await ready(names.queue), await ready(`${names.queue}.retry.60000`)]).toEqual([0, 1]);
  });

  test('an event that rests between two attempts goes back', async () => {
    const { bus, names, options, ready } = await stage();
    const consumer = await bus.consume(
      names.queue,
      {
        'order.paid'() {
          throw new Error('no');
        },
      },
      options({ orderBy: () => 'k', retry: { delaysMs: [60_000] } }),
    );
    await bus.publish('order.paid', { order: 'A' });
    await eventually('it rests', () => consumer.state().resting === 1);
    await within('closed', consumer.close(), 3_000);
    await eventually('it is back', async () => (await ready(names.queue)) === 1);
  });

  test('an event that fails while its consumer closes does not rest first', async () => {
    const { bus, names, options, ready } = await stage();
    const door = gate();
    const consumer = await bus.consume(
      names.queue,
      {
        async 'order.paid'() {
          await door.opened;
          throw new Error('no');
        },
      },
      options({ orderBy: () => 'k', retry: { delaysMs: [60_000] } }),
    );
    await bus.publish('order.paid', { order: 'A' });
    await eventually('it runs', () => consumer.state().running === 1);
    const closed = consumer.close();
    door.open();
    await within('closed', closed, 5_000);
    await eventually('it is back', async () => (await ready(names.queue)) === 1);
  });

  test('stop takes nothing more; what is in hand is handled', async () => {
    const { bus, names, options, ready } = await stage();
    const door = gate();
    let done = 0;
    const consumer = await bus.consume(
      names.queue,
      {
        async 'order.paid'() {
          await door.opened;
          done++;
        },
      },
      options({ concurrency: 1 }),
    );
    await bus.publish('order.paid', { order: 'A' });
    await bus.publish('order.paid', { order: 'B' });
    await eventually('both in hand', () => consumer.state().waiting === 1);
    await consumer.stop();
    await bus.publish('order.paid', { order: 'C' });
    door.open();
    await eventually('both are done', () => done === 2);
    expect(await ready(names.queue)).toBe(1);
  });

  test('closing the bus closes its consumers first', async () => {
    const { another, bus, names, options, ready } = await stage();
    const service = await another();
    const door = gate();
    const consumer = await service.consume(names.queue, { 'order.paid': () => door.opened }, options());
    await bus.publish('order.paid', { order: 'A' });
    await eventually('it runs', () => consumer.state().running === 1);
    const closed = service.close();
    door.open();
    await within('closed', closed);
    expect(await ready(names.queue)).toBe(0);
    await expect(service.transport.counts(names.queue)).rejects.toMatchObject({ code: 'closed' });
  });

  test('a signal closes the bus, once', async () => {
    const { another, names, options } = await stage();
    const service = await another();
    const before = process.listenerCount('SIGUSR2');
    service.closeOnSignals(['SIGUSR2']);
    const consumer = await service.consume(names.queue, { 'order.paid': () => {} }, options());
    expect(process.listenerCount('SIGUSR2')).toBe(before + 1);
    process.emit('SIGUSR2', 'SIGUSR2');
    await within('the consumer ended', consumer.ended);
    await service.close();
    expect(process.listenerCount('SIGUSR2')).toBe(before);
  });

  test('closing otherwise, and calling it off, remove the listeners', async () => {
    const { another } = await stage();
    const service = await another();
    const before = process.listenerCount('SIGUSR2');
    const callOff = service.closeOnSignals(['SIGUSR2']);
    callOff();
    expect(process.listenerCount('SIGUSR2')).toBe(before);
    service.closeOnSignals(['SIGUSR2']);
    await service.close();
    expect(process.listenerCount('SIGUSR2')).toBe(before);
  });

  test('a queue that is deleted ends the consumer, which is told', async () => {
    const { another, bus, names, options, troubles } = await stage();
    const service = await another();
    const consumer = await service.consume(names.queue, { 'order.paid': () => {} }, options());
    await bus.transport.remove({ queues: [names.queue] });
    await expect(within('ended', consumer.ended, 20_000)).rejects.toMatchObject({ code: 'queue-missing' });
    expect(troubles).toMatchObject([{ kind: 'ended', queue: names.queue }]);
    await within('closed', consumer.close(), 5_000);
  });

  test('a queue that is not there is no place to declare delay queues for', async () => {
    const { bus, options } = await stage();
    await expect(bus.consume('nowhere', {}, options())).rejects.toMatchObject({ code: 'queue-missing' });
    expect(await bus.transport.counts('nowhere.retry.20')).toBeUndefined();
  });

  if (kind === 'amqp') {
    test('what was in hand when the connection went is not begun any more', async () => {
      const { bus, names, options, ready } = await stage();
      const door = gate();
      const seen: unknown[] = [];
      const consumer = await bus.consume(
        names.queue,
        {
          async 'order.paid'({ data }) {
            seen.push(data.n);
            await door.opened;
          },
        },
        options({ concurrency: 1 }),
      );
      for (const n of [1, 2, 3]) await bus.publish('order.paid', { order: 'A', n });
      await eventually('one runs, two wait', () => consumer.state().waiting === 2);
      // Somebody declares the queue anew: the consumer is cancelled, its deliveries are gone.
      await bus.transport.remove({ queues: [names.queue] });
      await eventually('nothing waits any more', () => consumer.state().waiting === 0);
      await bus.setup();
      door.open();
      await bus.publish('order.paid', { order: 'A', n: 4 });
      await eventually('the new one is handled', () => seen.length === 2);
      expect(seen).toEqual([1, 4]);
      expect(await ready(names.queue)).toBe(0);
    });
  }
});
