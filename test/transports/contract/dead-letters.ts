/** What a queue gives up goes to its dead-letter exchange, with the history that RabbitMQ writes. */
import { describe, expect } from 'vitest';
import {
  type Headers,
  type HeaderValue,
  type MessageProperties,
  plainHeaders,
  type ReceivedMessage,
} from '../../../src/core/message.js';
import type { Arguments } from '../../../src/core/topology/model.js';
import { eventually } from '../../await.js';
import { at, type ContractTest, collect, type Scene, texts } from './scene.js';

export function deadLetterTests(test: ContractTest): void {
  describe('dead-lettering', () => {
    test('a rejected message keeps its content, exchange aside, and gets its history', async ({ scene }) => {
      const { source, queue, dlx, dlq } = await stage(scene);
      const properties = {
        messageId: 'm-1',
        type: 't',
        headers: { own: 'header' },
        contentType: 'text/plain',
      };
      await scene.send(source, 'analysis.completed', 'body', properties);
      await reject(scene, queue);
      const dead = at(await scene.take(dlq, 1), 0);
      expect(dead.body.toString()).toBe('body');
      expect([dead.exchange, dead.routingKey, dead.redelivered]).toEqual([dlx, 'analysis.completed', false]);
      expect({ ...dead.properties, headers: undefined }).toEqual({
        ...properties,
        deliveryMode: 2,
        headers: undefined,
      });
      expect(plainHeaders(dead.properties.headers)).toStrictEqual({
        own: 'header',
        'x-first-death-exchange': source,
        'x-first-death-queue': queue,
        'x-first-death-reason': 'rejected',
        'x-death': [
          {
            count: 1,
            reason: 'rejected',
            queue,
            exchange: source,
            'routing-keys': ['analysis.completed'],
            time: timeOf(dead, 0),
          },
        ],
      });
      expect(Math.abs(timeOf(dead, 0) - Date.now() / 1_000)).toBeLessThan(60);
    });

    test('an expired message remembers its original expiration and does not expire again', async ({
      scene,
    }) => {
      const { source, queue, dlq } = await stage(scene);
      await scene.send(source, 'k', 'x', { expiration: '15' });
      await arrived(scene, dlq, 1);
      const dead = at(await scene.take(dlq, 1), 0);
      expect(dead.properties).not.toHaveProperty('expiration');
      expect(plainHeaders(dead.properties.headers)).toStrictEqual({
        ...firstDeath(source, queue, 'expired'),
        'x-death': [
          { ...death(source, queue, 'expired', 'k', 1), time: timeOf(dead, 0), 'original-expiration': '15' },
        ],
      });
    });

    test('expiry by the queue leaves no original expiration', async ({ scene }) => {
      const { source, queue, dlq } = await stage(scene, { 'x-message-ttl': 15 });
      await scene.send(source, 'k', 'x');
      await arrived(scene, dlq, 1);
      const dead = at(await scene.take(dlq, 1), 0);
      expect(plainHeaders(dead.properties.headers)).toStrictEqual({
        ...firstDeath(source, queue, 'expired'),
        'x-death': [{ ...death(source, queue, 'expired', 'k', 1), time: timeOf(dead, 0) }],
      });
    });

    test('a message with an expiration that is rejected loses it too', async ({ scene }) => {
      const { source, queue, dlq } = await stage(scene);
      await scene.send(source, 'k', 'x', { expiration: '3600000' });
      await reject(scene, queue);
      const dead = at(await scene.take(dlq, 1), 0);
      expect(dead.properties).not.toHaveProperty('expiration');
      expect(deaths(dead)).toEqual([
        {
          ...death(source, queue, 'rejected', 'k', 1),
          time: timeOf(dead, 0),
          'original-expiration': '3600000',
        },
      ]);
    });

    test('a full queue dead-letters its head', async ({ scene }) => {
      const { source, queue, dlq } = await stage(scene, { 'x-max-length': 1 });
      await scene.send(source, 'k', 'old');
      await scene.send(source, 'k', 'new');
      await arrived(scene, dlq, 1);
      const dead = at(await scene.take(dlq, 1), 0);
      expect(dead.body.toString()).toBe('old');
      expect(plainHeaders(dead.properties.headers)).toStrictEqual({
        ...firstDeath(source, queue, 'maxlen'),
        'x-death': [{ ...death(source, queue, 'maxlen', 'k', 1), time: timeOf(dead, 0) }],
      });
      expect(texts(await scene.take(queue, 1))).toEqual(['new']);
    });

    test('a dead-letter routing key replaces the key but not in the history', async ({ scene }) => {
      const { source, queue, dlq } = await stage(scene, { 'x-dead-letter-routing-key': 'notifications.dlq' });
      await scene.send(source, 'analysis.failed', 'x');
      await reject(scene, queue);
      const dead = at(await scene.take(dlq, 1), 0);
      expect(dead.routingKey).toBe('notifications.dlq');
      expect(at(deaths(dead), 0)['routing-keys']).toEqual(['analysis.failed']);
    });

    test('a second death in the same queue for the same reason counts up', async ({ scene }) => {
      const { source, queue, dlq } = await stage(scene);
      await scene.send(source, 'k', 'x');
      for (let round = 1; round <= 3; round += 1) {
        await reject(scene, queue);
        await arrived(scene, dlq, 1);
        if (round < 3) await sendBack(scene, dlq, queue);
      }
      const dead = at(await scene.take(dlq, 1), 0);
      // Rejected from the queue thrice and, between, from the dead-letter queue twice.
      expect(deaths(dead).map(({ queue: from, reason, count }) => [from, reason, count])).toEqual([
        [queue, 'rejected', 3],
        [dlq, 'rejected', 2],
      ]);
      expect(plainHeaders(dead.properties.headers)).toMatchObject(firstDeath(source, queue, 'rejected'));
    });

    test('deaths for different reasons are told newest first', async ({ scene }) => {
      const dlq = await scene.queue();
      const waiting = await scene.queue({
        'x-message-ttl': 15,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': dlq,
      });
      const work = await scene.queue({
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': waiting,
      });
      await scene.put(work, 'x');
      await reject(scene, work);
      const dead = at(await scene.take(dlq, 1), 0);
      expect(deaths(dead)).toEqual([
        { ...death('', waiting, 'expired', waiting, 1), time: timeOf(dead, 0) },
        { ...death('', work, 'rejected', work, 1), time: timeOf(dead, 1) },
      ]);
      expect(plainHeaders(dead.properties.headers)).toMatchObject(firstDeath('', work, 'rejected'));
    });

    test('a dead letter reaches every queue bound to the dead-letter exchange', async ({ scene }) => {
      const { source, queue, dlx, dlq } = await stage(scene);
      const second = await scene.queue();
      await scene.bind(dlx, second, '');
      await scene.send(source, 'k', 'x');
      await reject(scene, queue);
      await arrived(scene, dlq, 1);
      await arrived(scene, second, 1);
    });

    test('a dead-letter exchange that does not exist drops without a word', async ({ scene }) => {
      const queue = await scene.queue({ 'x-dead-letter-exchange': scene.name('no-dlx') });
      await scene.put(queue, 'x');
      await reject(scene, queue);
      expect(await scene.ready(queue)).toBe(0);
    });

    test('a cycle of expiries alone is broken', async ({ scene }) => {
      const queue = scene.name('queue');
      const args = { 'x-message-ttl': 1, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': queue };
      await scene.declare({
        queues: [{ name: queue, durable: true, exclusive: false, autoDelete: false, arguments: args }],
      });
      await scene.put(queue, 'x');
      await eventually('it is dropped', async () => (await scene.ready(queue)) === 0);
    });
  });
}

/** A queue with a dead-letter exchange and, behind that, a queue that dead-letters nowhere by itself. */
async function stage(scene: Scene, args: Arguments = {}) {
  const source = await scene.exchange('topic');
  const dlx = await scene.exchange('fanout');
  const queue = await scene.queue({ 'x-dead-letter-exchange': dlx, ...args });
  const dlq = await scene.queue({ 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': queue });
  await scene.bind(source, queue, '#');
  await scene.bind(dlx, dlq, '');
  return { source, queue, dlx, dlq };
}

async function reject(scene: Scene, queue: string): Promise<void> {
  const { deliveries, close } = await collect(scene.transport, queue, 1);
  await at(deliveries, 0).reject();
  await close();
}

/** By rejecting from the dead-letter queue too, whose own dead letters go to `queue`. */
async function sendBack(scene: Scene, dlq: string, queue: string): Promise<void> {
  await reject(scene, dlq);
  await arrived(scene, queue, 1);
}

async function arrived(scene: Scene, queue: string, count: number): Promise<void> {
  await eventually(`${count} in ${queue}`, async () => (await scene.ready(queue)) === count);
}

function firstDeath(exchange: string, queue: string, reason: string): Headers {
  return { 'x-first-death-exchange': exchange, 'x-first-death-queue': queue, 'x-first-death-reason': reason };
}

function death(exchange: string, queue: string, reason: string, key: string, count: number): Headers {
  return { count, reason, queue, exchange, 'routing-keys': [key] };
}

function deaths(message: { readonly properties: MessageProperties }): readonly Record<string, HeaderValue>[] {
  return plainHeaders(message.properties.headers)['x-death'] as unknown as readonly Record<
    string,
    HeaderValue
  >[];
}

function timeOf(message: ReceivedMessage, index: number): number {
  const time = deaths(message)[index]?.time;
  if (typeof time !== 'number') throw new Error(`x-death[${index}].time is ${String(time)}`);
  return time;
}
