import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Delivery, Settlement } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';
import { findRabbitServer, type RabbitBroker, startRabbit } from '../../brokers/rabbitmq.js';
import { hold, makeQueue, open, openRaw, openThroughProxy, take, toQueue, unique } from './stage.js';

/** A small generator with a seed, so that a failure can be repeated. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

describe.skipIf(!findRabbitServer())('consuming from RabbitMQ', () => {
  let broker: RabbitBroker;
  beforeAll(async () => {
    broker = await startRabbit();
    return () => broker.stop();
  });

  /** What RabbitMQ does to a channel that acks a tag it does not know: 406. */
  const closeAllChannels = () =>
    broker.ctl(
      'eval',
      "[rabbit_channel:do(P, {'basic.ack', 999999, false}) || P <- rabbit_channel:list_local()].",
    );

  const texts = (deliveries: readonly Delivery[]) => deliveries.map(({ message }) => message.body.toString());

  it('what was unsettled when the connection went comes again, and settling the old deliveries is lost', async () => {
    const { transport, notices, proxy } = await openThroughProxy(broker.url);
    const queue = await makeQueue(transport);
    for (const body of ['a', 'b', 'c', 'd']) await transport.publish(toQueue(queue, body));
    const deliveries = await hold(transport, queue, 3, 3);
    const [a, b, c] = deliveries;
    expect(await a?.ack()).toBe('settled');
    // The delivery that takes a's place proves that the broker has its ack.
    await eventually('d is delivered', () => deliveries.length === 4);
    proxy.cut();
    await eventually('the rest comes again', () => deliveries.length === 7);
    expect(await Promise.all([b?.ack(), c?.reject(), deliveries[3]?.requeue()])).toEqual([
      'lost',
      'lost',
      'lost',
    ]);
    const again = deliveries.slice(4);
    expect(again.map(({ message }) => [message.body.toString(), message.redelivered])).toEqual([
      ['b', true],
      ['c', true],
      ['d', true],
    ]);
    expect(new Set(await Promise.all(again.map((delivery) => delivery.ack())))).toEqual(new Set(['settled']));
    expect(notices).toContainEqual(expect.objectContaining({ kind: 'lost', role: 'consume' }));
    await eventually('the queue is empty', async () => (await transport.counts(queue))?.ready === 0);
  });

  it.each([1, 2, 3, 4, 5])(
    'settling in any order settles exactly what was settled (seed %i)',
    async (seed) => {
      const random = seeded(seed);
      const { transport } = open(broker.url);
      const queue = await makeQueue(transport);
      const bodies = Array.from({ length: 400 }, (_, index) => String(index));
      await Promise.all(bodies.map((body) => transport.publish(toQueue(queue, body))));
      const kept = new Set<string>();
      const gone = new Set<string>();
      const settlements: Promise<Settlement>[] = [];
      const handle = (delivery: Delivery) => {
        const body = delivery.message.body.toString();
        const chance = random();
        if (chance < 0.2 || delivery.message.redelivered) {
          kept.add(body);
          return;
        }
        const settle = () => {
          if (chance < 0.3) settlements.push(delivery.requeue());
          else {
            gone.add(body);
            settlements.push(chance < 0.4 ? delivery.reject() : delivery.ack());
          }
        };
        if (chance < 0.6) settle();
        else if (chance < 0.8) queueMicrotask(settle);
        else setImmediate(() => setImmediate(settle));
      };
      const subscription = await transport.consume(queue, { prefetch: 500 }, handle);
      await eventually('everything is seen', () => kept.size + gone.size === bodies.length);
      expect(new Set(await Promise.all(settlements))).toEqual(new Set(['settled']));
      await subscription.close();
      const rest = await take(transport, queue, kept.size);
      expect(rest.toSorted()).toEqual([...kept].toSorted());
      expect((await transport.counts(queue))?.ready).toBe(0);
    },
  );

  it('a channel closed by the server is opened again, with a notice', async () => {
    const { transport, notices } = open(broker.url);
    const queue = await makeQueue(transport);
    await transport.publish(toQueue(queue, 'a'));
    const deliveries = await hold(transport, queue, 1);
    await closeAllChannels();
    await eventually('a comes again', () => deliveries.length === 2);
    expect(notices).toEqual([
      { kind: 'consumer-lost', queue, cause: expect.stringContaining('unknown delivery tag') },
    ]);
    expect(await deliveries[0]?.ack()).toBe('lost');
    expect(await deliveries[1]?.ack()).toBe('settled');
  });

  it('a queue deleted and declared again under its consumer goes on', async () => {
    const { transport, notices } = open(broker.url);
    const queue = await makeQueue(transport);
    const deliveries = await hold(transport, queue, 0);
    const raw = await (await openRaw(broker.url)).createChannel();
    await raw.deleteQueue(queue);
    await eventually('the loss is told', () => notices.some(({ kind }) => kind === 'consumer-lost'));
    await raw.assertQueue(queue);
    await transport.publish(toQueue(queue, 'later'));
    await eventually('it is delivered', () => deliveries.length === 1);
    expect(texts(deliveries)).toEqual(['later']);
    await deliveries[0]?.ack();
  });

  it('a queue held exclusively by another connection is locked', async () => {
    const { transport } = open(broker.url);
    const queue = unique('locked');
    const raw = await (await openRaw(broker.url)).createChannel();
    await raw.assertQueue(queue, { exclusive: true });
    await expect(transport.consume(queue, {}, () => {})).rejects.toMatchObject({ code: 'queue-locked' });
  });

  it('an exclusive queue is declared and bound again after a reconnect, before its consumer', async () => {
    const { transport, notices, proxy } = await openThroughProxy(broker.url);
    const [queue, exchange] = [unique('exclusive'), unique('exchange')];
    await transport.apply({
      exchanges: [{ name: exchange, type: 'topic', durable: true, autoDelete: false, arguments: {} }],
      queues: [{ name: queue, durable: false, exclusive: true, autoDelete: false, arguments: {} }],
      bindings: [{ exchange, queue, key: 'k.#' }],
    });
    onTestFinished(() => transport.remove({ exchanges: [exchange] }));
    const bodies: string[] = [];
    const subscription = await transport.consume(queue, {}, (delivery) => {
      bodies.push(delivery.message.body.toString());
      void delivery.ack();
    });
    proxy.cut();
    await eventually('restored', () => notices.some(({ kind }) => kind === 'restored'));
    await transport.publish({ ...toQueue('k.1', 'after'), exchange });
    await eventually('it is delivered', () => bodies.length === 1);
    await subscription.close();
  });

  it('browsing shows a queue in order and leaves all of it there', async () => {
    const { transport } = open(broker.url);
    const queue = await makeQueue(transport);
    for (const body of ['a', 'b', 'c']) await transport.publish(toQueue(queue, body));
    const seen: string[] = [];
    for await (const message of transport.browse(queue)) seen.push(message.body.toString());
    for await (const message of transport.browse(queue, { limit: 1 })) seen.push(message.body.toString());
    for await (const message of transport.browse(queue)) {
      seen.push(message.body.toString());
      break;
    }
    expect(seen).toEqual(['a', 'b', 'c', 'a', 'a']);
    expect(await take(transport, queue, 3)).toEqual(['a', 'b', 'c']);
  });

  it('a browse that loses its connection leaves all messages where they were', async () => {
    const { transport, proxy } = await openThroughProxy(broker.url);
    const queue = await makeQueue(transport);
    const bodies = Array.from({ length: 500 }, (_, n) => String(n)); // more than one chunk
    await Promise.all(bodies.map((body) => transport.publish(toQueue(queue, body))));
    const browsing = (async () => {
      for await (const _ of transport.browse(queue)) proxy.cut();
    })();
    await expect(browsing).rejects.toMatchObject({ code: 'unreachable' });
    expect(await take(transport, queue, 500)).toEqual(bodies);
  });

  it('a browse that loses its connection at the very end ends all the same', async () => {
    const { transport, proxy } = await openThroughProxy(broker.url);
    const queue = await makeQueue(transport);
    for (const body of ['a', 'b', 'c']) await transport.publish(toQueue(queue, body));
    const seen: string[] = [];
    for await (const { body } of transport.browse(queue)) {
      seen.push(String(body));
      proxy.cut();
    }
    expect(seen).toEqual(['a', 'b', 'c']);
    expect(await take(transport, queue, 3)).toEqual(['a', 'b', 'c']);
  });
});
