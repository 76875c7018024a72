/** With a store: whoever gets a delivery after a crash carries out what was decided, and does not handle it again. */
import { expect } from 'vitest';
import { startConsumer } from '../../../src/core/consuming/start-consumer.js';
import { type Delivery, exchange, PermanentError, type Transport } from '../../../src/index.js';
import { eventually, gate } from '../../await.js';
import { onBothBrokers, type Stage } from './stage.js';

const DLX_BACK = ({ dlx, dlq }: Stage['names']) => ({
  exchanges: [exchange(dlx, 'direct')],
  queues: [],
  bindings: [{ exchange: dlx, queue: dlq, key: 'dead' }],
});

/** A transport whose acks are lost with the connection: the broker delivers again what was settled. */
function losingAcks(
  transport: Transport,
): Pick<Transport, 'scheme' | 'consume' | 'publish' | 'apply' | 'counts'> {
  const lost = async () => 'lost' as const;
  return {
    scheme: transport.scheme,
    publish: (message) => transport.publish(message),
    apply: (topology) => transport.apply(topology),
    counts: (queue) => transport.counts(queue),
    consume: (queue, options, onDelivery) =>
      transport.consume(queue, options, ({ message }) => {
        onDelivery({ message, ack: lost, requeue: lost, reject: lost } satisfies Delivery);
      }),
  };
}

onBothBrokers('decisions on record', (test, stage) => {
  test('a dead letter that could not be published is published by the next, which does not run the handler', async () => {
    const at = await stage({ deadLetters: 'missing' });
    const { bus, names, options, troubles, dead, ready } = at;
    const idempotency = at.store();
    const first = await bus.consume(
      names.queue,
      {
        'order.paid'() {
          throw new PermanentError('the first one said no');
        },
      },
      options({ idempotency }),
    );
    await bus.publish('order.paid', { order: 'A' });
    await eventually('it is held', () => troubles.length > 0);
    await first.close();
    await bus.transport.apply(DLX_BACK(names));
    let calls = 0;
    await bus.consume(names.queue, { 'order.paid': () => void calls++ }, options({ idempotency }));
    const [letter] = await dead(1);
    expect(letter?.record).toMatchObject({ message: 'the first one said no', possibleDuplicate: true });
    expect(calls).toBe(0);
    await eventually('acked', async () => (await ready(names.queue)) === 0);
  });

  test('a retry copy that was confirmed is not published again when the ack was lost', async () => {
    const at = await stage();
    const { bus, names, options, ready } = at;
    const idempotency = at.store();
    const first = await startConsumer(
      { transport: losingAcks(bus.transport), catalog: bus.catalog, topology: at.topology },
      names.queue,
      {
        'order.paid'() {
          throw new Error('no');
        },
      },
      options({ idempotency, retry: { delaysMs: [60_000] } }),
    );
    await bus.publish('order.paid', { order: 'A' });
    await eventually('its copy waits', async () => (await ready(`${names.queue}.retry.60000`)) === 1);
    await first.close();
    await eventually('the original is back', async () => (await ready(names.queue)) === 1);
    let calls = 0;
    await bus.consume(
      names.queue,
      { 'order.paid': () => void calls++ },
      options({ idempotency, retry: { delaysMs: [60_000] } }),
    );
    await eventually('acked', async () => (await bus.transport.counts(names.queue))?.ready === 0);
    await bus.close();
    const look = await at.another();
    expect((await look.transport.counts(names.queue))?.ready).toBe(0);
    expect((await look.transport.counts(`${names.queue}.retry.60000`))?.ready).toBe(1);
    expect(calls).toBe(0);
  });

  test('of two retry copies of one decision the second is acked unseen', async () => {
    const at = await stage();
    const { bus, names, options, ready } = at;
    const idempotency = at.store();
    const attempts: number[] = [];
    let failing = true;
    const handlers = {
      async 'order.paid'(_event: unknown, { attempt }: { attempt: number }) {
        attempts.push(attempt);
        if (failing) throw new Error('no');
      },
    };
    const consumer = await bus.consume(
      names.queue,
      handlers,
      options({ idempotency, retry: { delaysMs: [60_000] } }),
    );
    await bus.publish('order.paid', { order: 'A' });
    const delayQueue = `${names.queue}.retry.60000`;
    await eventually('its copy waits', async () => (await ready(delayQueue)) === 1);
    // What a crash before the note of the confirm would have made of it: the same copy twice.
    failing = false;
    for await (const copy of bus.transport.browse(delayQueue)) {
      const { expiration: _, ...properties } = copy.properties;
      const again = { exchange: '', routingKey: names.queue, body: copy.body, properties };
      await bus.transport.publish(again);
      await eventually('the first is handled', () => attempts.length === 2);
      await bus.transport.publish(again);
    }
    await bus.publish('order.paid', { order: 'comes after both' });
    await eventually('what came after both is handled', () => attempts.length === 3);
    await consumer.close();
    expect([attempts, await ready(names.queue)]).toEqual([[0, 1, 0], 0]);
  });

  test('the same event published once more is handled once more', async () => {
    const at = await stage();
    const { bus, names, options } = at;
    const idempotency = at.store();
    const attempts: string[] = [];
    await bus.consume(
      names.queue,
      {
        async 'order.paid'({ data }, { attempt }) {
          attempts.push(`${data.order}/${attempt}`);
          if (attempt === 0) throw new Error('no');
        },
      },
      options({ idempotency }),
    );
    for (const round of [1, 2]) {
      await bus.publish('order.paid', { order: 'A' }, { id: 'same', time: new Date(1_700_000_000_000) });
      await eventually('it is retried', () => attempts.length === 2 * round);
    }
    expect(attempts).toEqual(['A/0', 'A/1', 'A/0', 'A/1']);
  });

  test('the same event published once more is handled once more, also when it was handed back first', async () => {
    const at = await stage();
    const { bus, names, options, ready } = at;
    const idempotency = at.store();
    const publish = (order: string) =>
      bus.publish('order.paid', { order }, { id: order, time: new Date(1_700_000_000_000) });
    const handled: string[] = [];
    const first = await bus.consume(
      names.queue,
      {
        async 'order.paid'({ id }, { attempt }) {
          if (attempt === 0) throw new Error('no');
          handled.push(id);
        },
      },
      options({ idempotency }),
    );
    await publish('A');
    await eventually('its second attempt succeeds', () => handled.length === 1);
    await first.close();
    await publish('B');
    await publish('A');
    const door = gate();
    const second = await bus.consume(
      names.queue,
      { 'order.paid': () => door.opened },
      options({ idempotency, concurrency: 1 }),
    );
    await eventually('A waits behind B', () => second.state().waiting === 1);
    const closed = second.close();
    await eventually('A is handed back', async () => (await ready(names.queue)) === 1);
    door.open();
    await closed;
    await bus.consume(
      names.queue,
      { 'order.paid': ({ id }) => void handled.push(id) },
      options({ idempotency }),
    );
    await eventually('A is handled', () => handled.length === 2);
    expect(handled).toEqual(['A', 'A']);
  });

  test('a record is free about a second after the ack, and stays as long as the broker may not have that', async () => {
    const at = await stage();
    const { bus, names, options } = at;
    const store = at.store();
    const kept: number[] = [];
    const idempotency = {
      ...store,
      close: () => store.close(),
      find: (key: string) => store.find(key),
      release: (key: string, token: string) => store.release(key, token),
      renew: (...claim: Parameters<typeof store.renew>) => store.renew(...claim),
      claim: (...claim: Parameters<typeof store.claim>) => store.claim(...claim),
      async complete(key: string, token: string, keepMs: number) {
        const done = await store.complete(key, token, keepMs);
        if (keepMs === 0) expect(await store.find(key)).toEqual({ state: 'free' });
        kept.push(keepMs);
        return done;
      },
    };
    const handlers = {
      'order.paid'() {
        throw new PermanentError('no');
      },
    };
    const losing = await startConsumer(
      { transport: losingAcks(bus.transport), catalog: bus.catalog, topology: at.topology },
      names.queue,
      handlers,
      options({ idempotency }),
    );
    await bus.publish('order.paid', { order: 'A' });
    await eventually('it is decided', () => kept.length === 1);
    await losing.close();
    expect(kept).toEqual([604_800_000]);
    // It comes again, is known to be decided, and is acked: now nobody needs the record.
    await bus.consume(names.queue, handlers, options({ idempotency }));
    await eventually('its record is free', () => kept.length === 2);
    await bus.publish('order.paid', { order: 'B' });
    await eventually('another comes and goes', () => kept.length === 4);
    expect(kept).toEqual([604_800_000, 0, 604_800_000, 0]);
    expect(at.deadLettered).toHaveLength(2);
  });

  test('a store that does not answer holds the event back, and says so', async () => {
    const at = await stage();
    const { bus, names, options, troubles, dead } = at;
    const store = at.store();
    let broken = true;
    const broke = () => {
      if (broken) throw new Error('no space left on device');
    };
    await bus.consume(
      names.queue,
      {
        'order.paid'() {
          throw new PermanentError('no');
        },
      },
      options({
        idempotency: {
          ...store,
          close: () => store.close(),
          find: (key) => store.find(key),
          release: (...claim) => store.release(...claim),
          renew: (...claim) => store.renew(...claim),
          complete: (...claim) => store.complete(...claim),
          async claim(key, claim) {
            broke();
            return store.claim(key, claim);
          },
        },
      }),
    );
    await bus.publish('order.paid', { order: 'A' });
    await eventually('it is held', () => troubles.length > 1);
    expect(troubles[0]).toMatchObject({ kind: 'store', queue: names.queue, heldMs: expect.any(Number) });
    await dead(0);
    broken = false;
    expect((await dead(1))[0]?.record.reason).toBe('permanent');
  });
});
