/** What an ack alone does not tell on RabbitMQ, and `synchronise` does. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Delivery } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';
import { findRabbitServer, type RabbitBroker, startRabbit } from '../../brokers/rabbitmq.js';
import { makeQueue, open, openRaw, openThroughProxy, toQueue } from './stage.js';

describe.skipIf(!findRabbitServer())('synchronising with RabbitMQ', () => {
  let broker: RabbitBroker;
  beforeAll(async () => {
    broker = await startRabbit();
    return () => broker.stop();
  });

  async function consuming(count: number) {
    const { transport, proxy, notices } = await openThroughProxy(broker.url);
    const queue = await makeQueue(transport);
    for (let index = 0; index < count; index++) await transport.publish(toQueue(queue, String(index)));
    const deliveries: Delivery[] = [];
    const story: string[] = [];
    const subscription = await transport.consume(queue, { onLost: () => story.push('lost') }, (delivery) => {
      deliveries.push(delivery);
      story.push(delivery.message.body.toString());
    });
    await eventually('all are delivered', () => deliveries.length === count);
    return { transport, proxy, notices, queue, deliveries, story, subscription };
  }

  it('an ack that the line swallowed counts as settled, and synchronising tells that it was lost', async () => {
    const { proxy, queue, deliveries, story, subscription } = await consuming(2);
    proxy.stallClientToServer();
    expect(await deliveries[0]?.ack()).toBe('settled');
    let answered = false;
    const answer = subscription.synchronise().finally(() => {
      answered = true;
    });
    // Other connections are answered meanwhile.
    expect((await open(broker.url).transport.counts(queue))?.ready).toBe(0);
    expect(answered).toBe(false);
    proxy.cut();
    proxy.resumeClientToServer();
    expect(await answer).toBe('lost');
    await eventually('both come again', () => deliveries.length === 4);
    expect(story).toEqual(['0', '1', 'lost', '0', '1']);
  });

  it('is answered when the line gets through at last', async () => {
    const { transport, proxy, queue, deliveries, subscription } = await consuming(2);
    proxy.stallClientToServer();
    for (const delivery of deliveries) void delivery.ack();
    const answer = subscription.synchronise();
    proxy.resumeClientToServer();
    expect(await answer).toBe('settled');
    expect(await transport.counts(queue)).toEqual({ ready: 0, consumers: 1 });
  });

  it('a channel that the server closed has lost what was not synchronised, and nothing else', async () => {
    const { notices, queue, deliveries, story, subscription } = await consuming(3);
    void deliveries[0]?.ack();
    expect(await subscription.synchronise()).toBe('settled');
    // What RabbitMQ does to a channel that acks a tag it does not know: 406.
    await broker.ctl(
      'eval',
      "[rabbit_channel:do(P, {'basic.ack', 999999, false}) || P <- rabbit_channel:list_local()].",
    );
    await eventually('the rest comes again', () => deliveries.length === 5);
    expect(story).toEqual(['0', '1', '2', 'lost', '1', '2']);
    expect(notices).toMatchObject([{ kind: 'consumer-lost', queue }]);
    expect(await subscription.synchronise()).toBe('settled');
    expect(await deliveries[1]?.ack()).toBe('lost');
    expect(await subscription.synchronise()).toBe('lost');
    for (const delivery of deliveries.slice(3)) void delivery.ack();
    expect(await subscription.synchronise()).toBe('settled');
  });

  it('a cancel by the broker loses what is in hand', async () => {
    const { queue, deliveries, story, subscription } = await consuming(1);
    const raw = await (await openRaw(broker.url)).createChannel();
    await raw.deleteQueue(queue);
    await eventually('the loss is told', () => story.at(-1) === 'lost');
    await raw.assertQueue(queue);
    await open(broker.url).transport.publish(toQueue(queue, 'new'));
    await eventually('the consumer goes on', () => story.at(-1) === 'new');
    expect(story).toEqual(['0', 'lost', 'new']);
    expect(await deliveries[0]?.ack()).toBe('lost');
    expect(await subscription.synchronise()).toBe('lost');
    expect(await deliveries[1]?.ack()).toBe('settled');
    expect(await subscription.synchronise()).toBe('settled');
  });
});
