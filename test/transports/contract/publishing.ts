/** Confirms, returned messages and missing exchanges: each publish has an outcome of its own. */
import { describe, expect } from 'vitest';
import { isEventsError } from '../../../src/core/errors.js';
import type { OutgoingMessage } from '../../../src/core/message.js';
import { within } from '../../await.js';
import { type ContractTest, type Scene, texts } from './scene.js';

export function publishingTests(test: ContractTest): void {
  describe('publishing', () => {
    test('a confirmed message is in the queue', async ({ scene }) => {
      const queue = await scene.queue();
      await scene.put(queue, 'one');
      expect(await scene.ready(queue)).toBe(1);
    });

    test('a confirmed message is in every bound queue', async ({ scene }) => {
      const exchange = await scene.exchange('fanout');
      const queues = await Promise.all(Array.from({ length: 5 }, () => scene.queue()));
      for (const queue of queues) await scene.bind(exchange, queue, '');
      await scene.send(exchange, 'any', 'one');
      expect(await Promise.all(queues.map(scene.ready))).toEqual([1, 1, 1, 1, 1]);
    });

    test('the order of calls is the order of arrival', async ({ scene }) => {
      const queue = await scene.queue();
      const bodies = Array.from({ length: 2_000 }, (_, index) => String(index));
      await Promise.all(bodies.map((body) => scene.put(queue, body)));
      expect(texts(await scene.take(queue, bodies.length))).toEqual(bodies);
    });

    test('an unroutable message rejects its own publish and none of its 900 neighbours in flight', async ({
      scene,
    }) => {
      const exchange = await scene.exchange('direct');
      const queue = await scene.queue();
      await scene.bind(exchange, queue, 'routed');
      const outcomes = await Promise.all(
        Array.from({ length: 1_000 }, (_, index) =>
          outcome(scene, { ...message(exchange, index % 10 === 0 ? 'nowhere' : 'routed', String(index)) }),
        ),
      );
      expect(outcomes.map((code, index) => `${index}:${code}`)).toEqual(
        outcomes.map((_, index) => `${index}:${index % 10 === 0 ? 'unroutable' : 'confirmed'}`),
      );
      expect(await scene.ready(queue)).toBe(900);
    });

    test('an unroutable message that is not mandatory is confirmed and dropped', async ({ scene }) => {
      const exchange = await scene.exchange('direct');
      expect(await outcome(scene, { ...message(exchange, 'nowhere', 'x'), mandatory: false })).toBe(
        'confirmed',
      );
    });

    test('a queue that does not exist is unroutable through the default exchange', async ({ scene }) => {
      expect(await outcome(scene, message('', scene.name('no-queue'), 'x'))).toBe('unroutable');
    });

    test('a missing exchange rejects with exchange-missing', async ({ scene }) => {
      expect(await outcome(scene, message(scene.name('no-exchange'), 'k', 'x'))).toBe('exchange-missing');
    });

    test('a missing exchange rejects even a message that is not mandatory', async ({ scene }) => {
      const missing = { ...message(scene.name('no-exchange'), 'k', 'x'), mandatory: false };
      expect(await outcome(scene, missing)).toBe('exchange-missing');
    });

    test('a missing exchange rejects its own publish and none of its neighbours in flight', async ({
      scene,
    }) => {
      const queue = await scene.queue();
      const missing = scene.name('no-exchange');
      const outcomes = await Promise.all(
        Array.from({ length: 200 }, (_, index) =>
          outcome(scene, index === 100 ? message(missing, 'k', 'x') : message('', queue, String(index))),
        ),
      );
      expect(outcomes.filter((code) => code !== 'confirmed')).toEqual(['exchange-missing']);
      expect(outcomes[100]).toBe('exchange-missing');
      const bodies = texts(await scene.take(queue, 199));
      expect(bodies).toEqual(
        Array.from({ length: 200 }, (_, index) => String(index)).filter((body) => body !== '100'),
      );
      expect(await scene.ready(queue)).toBe(0);
    });

    test('an exchange can be used as soon as it has been declared after being missed', async ({ scene }) => {
      const exchange = await scene.exchange('fanout');
      await scene.transport.remove({ exchanges: [exchange] });
      expect(await outcome(scene, message(exchange, 'k', 'x'))).toBe('exchange-missing');
      const queue = await scene.queue();
      await scene.declare({
        exchanges: [{ name: exchange, type: 'fanout', durable: true, autoDelete: false, arguments: {} }],
        bindings: [{ exchange, queue, key: '' }],
      });
      expect(await outcome(scene, message(exchange, 'k', 'x'))).toBe('confirmed');
      expect(await scene.ready(queue)).toBe(1);
    });

    test('more publishes than the window wait for room and are all confirmed', async ({ scene }) => {
      const narrow = await scene.open({ maxInFlight: 3 });
      const queue = await scene.queue();
      const publishes = Array.from({ length: 100 }, (_, index) =>
        narrow.publish(message('', queue, String(index))),
      );
      await within('100 publishes through a window of 3', Promise.all(publishes));
      expect(await scene.ready(queue)).toBe(100);
    });

    test('a message larger than the window in bytes still goes through, alone', async ({ scene }) => {
      const narrow = await scene.open({ maxInFlightBytes: 10 });
      const queue = await scene.queue();
      const bodies = ['short', 'much longer than the window', 'short again'];
      const publishes = bodies.map((body) => narrow.publish(message('', queue, body)));
      await within('3 publishes through a window of 10 bytes', Promise.all(publishes));
      expect(texts(await scene.take(queue, 3))).toEqual(bodies);
    });
  });
}

export function message(exchange: string, routingKey: string, body: string): OutgoingMessage {
  return { exchange, routingKey, body: Buffer.from(body), properties: { messageId: body } };
}

/** `confirmed`, or the code that the publish was rejected with. */
export async function outcome(scene: Pick<Scene, 'transport'>, outgoing: OutgoingMessage): Promise<string> {
  try {
    await scene.transport.publish(outgoing);
    return 'confirmed';
  } catch (error) {
    if (isEventsError(error)) return error.code;
    throw error;
  }
}
