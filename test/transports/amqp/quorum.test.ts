/** Quorum queues through the transport: what is the same as with classic queues, and what they count. */
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { plainHeaders, type ReceivedMessage } from '../../../src/core/message.js';
import { type Arguments, bind, EMPTY_TOPOLOGY, exchange, queue } from '../../../src/core/topology/model.js';
import type { Delivery, Transport } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';
import { findRabbitServer, type RabbitBroker, startRabbit } from '../../brokers/rabbitmq.js';
import { hold, makeQueue, open, openThroughProxy, take, toQueue, unique } from './stage.js';

const QUORUM = { 'x-queue-type': 'quorum' };

describe.skipIf(!findRabbitServer())('quorum queues', () => {
  let broker: RabbitBroker;
  beforeAll(async () => {
    broker = await startRabbit();
    // How long it waits before it tries again to dead-letter what had nowhere to go: 3 minutes unless set.
    await broker.ctl(
      'eval',
      'application:set_env(rabbit, dead_letter_worker_publisher_confirm_timeout, 500).',
    );
    return () => broker.stop();
  });

  /** A quorum queue behind whose dead-letter exchange is a classic one. */
  async function stage(transport: Transport, args: Arguments) {
    const [source, dlx, dlq] = [unique('quorum'), unique('dlx'), unique('dlq')];
    const spec = queue(source, { ...QUORUM, 'x-dead-letter-exchange': dlx, ...args });
    const topology = {
      exchanges: [exchange(dlx, 'fanout')],
      queues: [spec, queue(dlq)],
      bindings: bind(dlx, dlq, ''),
    };
    await transport.apply(topology);
    onTestFinished(() => transport.remove({ queues: [source, dlq], exchanges: [dlx] }));
    return { source, dlq, spec, topology };
  }

  async function look(transport: Transport, name: string, limit?: number): Promise<ReceivedMessage[]> {
    const seen: ReceivedMessage[] = [];
    const options = limit === undefined ? {} : { limit };
    for await (const message of transport.browse(name, options)) seen.push(message);
    return seen;
  }

  const bodies = (messages: readonly ReceivedMessage[]) => messages.map(({ body }) => body.toString());

  it('are declared, inspected and surveyed with their arguments', async () => {
    const { transport } = open(broker.url);
    const { spec, topology } = await stage(transport, { 'x-delivery-limit': 5 });
    await transport.apply(topology);
    const as = { state: 'present', differences: [] };
    expect((await transport.inspect(topology)).queues).toEqual([as, as]);
    const survey = await transport.survey();
    expect(survey.state === 'known' && survey.queues.filter(({ name }) => name === spec.name)).toEqual([
      { ...spec, deliveryLimit: 5, ready: 0, consumers: 0 },
    ]);
    const other = { ...EMPTY_TOPOLOGY, queues: [queue(spec.name)] };
    await expect(transport.apply(other)).rejects.toMatchObject({ code: 'topology-conflict' });
  });

  it('must be durable and shared: anything else is refused with the broker’s words', async () => {
    const { transport } = open(broker.url);
    const fleeting = { ...EMPTY_TOPOLOGY, queues: [queue(unique('quorum'), QUORUM, { durable: false })] };
    await expect(transport.apply(fleeting)).rejects.toMatchObject({
      code: 'topology-conflict',
      message: expect.stringContaining('durable'),
    });
  });

  it('publishing, acking, requeueing and rejecting are as elsewhere', async () => {
    const { transport } = open(broker.url);
    const { source, dlq } = await stage(transport, {});
    for (const body of ['a', 'b', 'c']) {
      await transport.publish(toQueue(source, body, { messageId: body, headers: { own: 1 } }));
    }
    const deliveries = await hold(transport, source, 3, 3);
    expect(await deliveries[0]?.ack()).toBe('settled');
    expect(await deliveries[1]?.reject()).toBe('settled');
    expect(await deliveries[2]?.requeue()).toBe('settled');
    await eventually('c comes again', () => deliveries.length === 4);
    const again = deliveries[3]?.message;
    expect([again?.body.toString(), again?.redelivered]).toEqual(['c', true]);
    expect(plainHeaders(again?.properties.headers)).toEqual({ own: 1, 'x-delivery-count': 1 });
    await deliveries[3]?.ack();
    await eventually('b is dead', async () => (await transport.counts(dlq))?.ready === 1);
    expect((await transport.counts(source))?.ready).toBe(0);
    const [dead] = await look(transport, dlq);
    expect(dead?.properties.messageId).toBe('b');
    expect(deathOf(dead)).toMatchObject({ queue: source, reason: 'rejected', count: 1 });
  });

  it.each([
    ['without a delivery limit goes behind all others', {}, ['a', 'b', 'c', 'a']],
    ['with a delivery limit comes again first', { 'x-delivery-limit': 9 }, ['a', 'a', 'b', 'c']],
  ])('what is requeued %s', async (_, args, order) => {
    const { transport } = open(broker.url);
    const name = await makeQueue(transport, { ...QUORUM, ...args });
    for (const body of ['a', 'b', 'c']) await transport.publish(toQueue(name, body));
    const seen: string[] = [];
    const subscription = await transport.consume(name, { prefetch: 1 }, (delivery) => {
      seen.push(delivery.message.body.toString());
      void (seen.length === 1 ? delivery.requeue() : delivery.ack());
    });
    await eventually('all are seen', () => seen.length === 4);
    await subscription.close();
    expect(seen).toEqual(order);
  });

  it('what a closed consumer held is back in its place', async () => {
    const { transport } = open(broker.url);
    const name = await makeQueue(transport, QUORUM);
    const sent = Array.from({ length: 300 }, (_, index) => String(index));
    await Promise.all(sent.map((body) => transport.publish(toQueue(name, body))));
    const deliveries: Delivery[] = [];
    const subscription = await transport.consume(name, { prefetch: 200 }, (delivery) => {
      deliveries.push(delivery);
    });
    await eventually('200 are in hand', () => deliveries.length === 200);
    await subscription.close();
    await eventually('all are back', async () => (await transport.counts(name))?.ready === 300);
    expect(await take(transport, name, 300)).toEqual(sent);
  });

  it.each([
    ['without a delivery limit', {}, 700, undefined],
    ['with a delivery limit', { 'x-delivery-limit': 9 }, 700, undefined],
    ['of which only some are looked at', {}, 100, 40],
  ])(
    '%s, browsing leaves depth and order as they were, and counts as one delivery',
    async (_, args, total, limit) => {
      const { transport } = open(broker.url);
      const name = await makeQueue(transport, { ...QUORUM, ...args });
      const sent = Array.from({ length: total }, (_, index) => String(index));
      await Promise.all(sent.map((body) => transport.publish(toQueue(name, body))));
      const head = sent.slice(0, limit);
      for (const count of [undefined, 1, 2]) {
        const seen = await look(transport, name, limit);
        expect(bodies(seen)).toEqual(head);
        expect(new Set(seen.map(deliveryCount))).toEqual(new Set([count]));
        expect((await transport.counts(name))?.ready).toBe(total);
      }
      expect(await take(transport, name, total)).toEqual(sent);
    },
  );

  it('browsing a part leaves the order of what was browsed before', async () => {
    const { transport } = open(broker.url);
    const name = await makeQueue(transport, { ...QUORUM, 'x-delivery-limit': 9 });
    const sent = Array.from({ length: 60 }, (_, index) => String(index));
    await Promise.all(sent.map((body) => transport.publish(toQueue(name, body))));
    await look(transport, name, 50);
    for (const limit of [1, 7, 45, 3])
      expect(bodies(await look(transport, name, limit))).toEqual(sent.slice(0, limit));
    for await (const _ of transport.browse(name)) break;
    expect((await transport.counts(name))?.ready).toBe(60);
    expect(await take(transport, name, 60)).toEqual(sent);
  });

  it('what passes the delivery limit is dead, and its history says so', async () => {
    const { transport } = open(broker.url);
    const { source, dlq } = await stage(transport, { 'x-delivery-limit': 2 });
    await transport.publish(toQueue(source, 'poison', { messageId: 'p' }));
    let times = 0;
    const subscription = await transport.consume(source, {}, (delivery) => {
      times += 1;
      void delivery.requeue();
    });
    await eventually('it is dead', async () => (await transport.counts(dlq))?.ready === 1);
    await subscription.close();
    expect(times).toBe(3); // the first, and two more
    const [dead] = await look(transport, dlq);
    expect(deathOf(dead)).toMatchObject({ queue: source, reason: 'delivery_limit', count: 1, exchange: '' });
    expect(plainHeaders(dead?.properties.headers)).toMatchObject({
      'x-first-death-queue': source,
      'x-first-death-reason': 'delivery_limit',
    });
  });

  it('browsing often enough kills: each look counts toward the limit', async () => {
    const { transport } = open(broker.url);
    const { source, dlq } = await stage(transport, { 'x-delivery-limit': 1 });
    await transport.publish(toQueue(source, 'x'));
    expect(bodies(await look(transport, source))).toEqual(['x']);
    await eventually('it is back', async () => (await transport.counts(source))?.ready === 1);
    expect(bodies(await look(transport, source))).toEqual(['x']);
    await eventually('it is dead', async () => (await transport.counts(dlq))?.ready === 1);
    expect((await transport.counts(source))?.ready).toBe(0);
  });

  it('what a lost connection held counts as delivered once', async () => {
    const { transport, proxy } = await openThroughProxy(broker.url);
    const name = await makeQueue(transport, { ...QUORUM, 'x-delivery-limit': 5 });
    await transport.publish(toQueue(name, 'x'));
    const deliveries = await hold(transport, name, 1);
    proxy.cut();
    await eventually('it comes again', () => deliveries.length === 2);
    const again = deliveries[1]?.message;
    expect(again?.redelivered).toBe(true);
    expect(plainHeaders(again?.properties.headers)).toEqual({ 'x-delivery-count': 1 });
    await deliveries[1]?.ack();
  });

  it('a delay queue that dead-letters at least once hands back what expired, and refuses what is too much', async () => {
    const { transport } = open(broker.url);
    const target = await makeQueue(transport);
    const delayed = await makeQueue(transport, {
      ...QUORUM,
      'x-message-ttl': 300,
      'x-max-length': 3,
      'x-overflow': 'reject-publish',
      'x-dead-letter-strategy': 'at-least-once',
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': target,
    });
    const refused: string[] = [];
    for (let index = 0; index < 40 && refused.length === 0; index += 1) {
      await transport
        .publish(toQueue(delayed, String(index), { messageId: String(index) }))
        .catch((error) => {
          refused.push(error.code);
        });
    }
    expect(refused).toEqual(['publish-refused']);
    const kept = (await transport.counts(delayed))?.ready ?? 0;
    const deliveries = await hold(transport, target, Math.max(3, kept));
    await eventually('the delay queue is empty', async () => (await transport.counts(delayed))?.ready === 0);
    const sent = deliveries.map((_, index) => String(index));
    expect(deliveries.map(({ message }) => message.properties.messageId)).toEqual(sent);
    expect(deathOf(deliveries[0]?.message)).toMatchObject({ queue: delayed, reason: 'expired', count: 1 });
    expect(deliveries[0]?.message.properties).not.toHaveProperty('expiration');
    await Promise.all(deliveries.map((delivery) => delivery.ack()));
  });

  it('at least once, what cannot be dead-lettered waits until it can', async () => {
    const { transport } = open(broker.url);
    const { source, dlq, topology } = await stage(transport, {
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
    });
    await transport.remove({ queues: [dlq] });
    await transport.publish(toQueue(source, 'x'));
    const [delivery] = await hold(transport, source, 1);
    await delivery?.reject();
    await transport.apply(topology);
    // The broker tries again by itself; a classic queue would have dropped it.
    await eventually('it is dead', async () => (await transport.counts(dlq))?.ready === 1);
    expect(bodies(await look(transport, dlq))).toEqual(['x']);
  });

  it('acks in order are with the broker once they are synchronised', async () => {
    const { transport, proxy } = await openThroughProxy(broker.url);
    const observer = open(broker.url).transport;
    const name = await makeQueue(observer, QUORUM);
    await Promise.all(
      Array.from({ length: 200 }, (_, index) => observer.publish(toQueue(name, String(index)))),
    );
    const deliveries: string[] = [];
    const subscription = await transport.consume(name, { prefetch: 100 }, (delivery) => {
      deliveries.push(delivery.message.body.toString());
      if (deliveries.length <= 100) void delivery.ack();
    });
    await eventually('the second hundred', () => deliveries.length === 200);
    expect(await subscription.synchronise()).toBe('settled');
    proxy.cut();
    await eventually('the rest comes again', () => deliveries.length >= 300);
    expect(deliveries.slice(200)).toEqual(Array.from({ length: 100 }, (_, index) => String(100 + index)));
    expect((await observer.counts(name))?.ready).toBe(0);
  });
});

function deliveryCount({ properties }: ReceivedMessage) {
  return plainHeaders(properties.headers)['x-delivery-count'];
}

/** The newest entry of the message's history. */
function deathOf(message: ReceivedMessage | undefined) {
  const deaths = plainHeaders(message?.properties.headers)['x-death'];
  return Array.isArray(deaths) ? deaths[0] : undefined;
}
