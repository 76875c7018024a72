/** What a consumer gives up on, where it goes, and what happens when it cannot go there. */
import { expect } from 'vitest';
import { z } from 'zod';
import { startConsumer } from '../../../src/core/consuming/start-consumer.js';
import { defineCatalog, defineEvent, EventsError, exchange, PermanentError } from '../../../src/index.js';
import { eventually, within } from '../../await.js';
import { onBothBrokers } from './stage.js';

onBothBrokers('dead letters', (test, stage) => {
  test('a permanent error ends the attempts at once', async () => {
    const { bus, names, options, dead } = await stage();
    let calls = 0;
    await bus.consume(
      names.queue,
      {
        async 'order.paid'() {
          calls++;
          throw new PermanentError('the customer is gone', { cause: new Error('404') });
        },
      },
      options(),
    );
    await bus.publish('order.paid', { order: 'A' });
    expect((await dead(1))[0]?.record).toMatchObject({
      reason: 'permanent',
      exception: 'PermanentError',
      message: 'the customer is gone',
      attempts: 1,
    });
    expect(calls).toBe(1);
  });

  test('an effect of which nobody knows whether it happened is not tried again', async () => {
    const { bus, names, options, dead } = await stage();
    await bus.consume(
      names.queue,
      {
        'order.paid'() {
          throw new EventsError('effect-unknown', 'nobody knows');
        },
      },
      options(),
    );
    await bus.publish('order.paid', { order: 'A' });
    expect((await dead(1))[0]?.record).toMatchObject({ reason: 'effect-unknown', attempts: 1 });
  });

  test.each([
    ['a body that is no JSON', 'not json', 'order.paid', 'invalid', /the body is not JSON/],
    ['data that do not fit the schema', '{"order":7}', 'order.paid', 'invalid', /^order: /],
    ['a type that the catalog does not know', '{}', 'order.lost', 'invalid', /no event "order.lost"/],
    ['a type without a handler', '{"order":"A"}', 'order.sent', 'no-handler', /no handler for order.sent/],
  ])('%s is dead at once, and the consumer goes on', async (_name, body, type, reason, message) => {
    const { bus, names, options, send, dead } = await stage();
    const handled: string[] = [];
    await bus.consume(names.queue, { 'order.paid': ({ data }) => void handled.push(data.order) }, options());
    await send(body, { type, messageId: 'bad' }, 'order.x');
    await bus.publish('order.paid', { order: 'A' });
    const [letter] = await dead(1);
    expect(letter?.message.body.toString()).toBe(body);
    expect(letter?.message.properties.messageId).toBe('bad');
    expect(letter?.record).toMatchObject({ reason, attempts: 0, routingKey: 'order.x', queue: names.queue });
    expect(letter?.record.message).toMatch(message);
    expect(letter?.record).not.toHaveProperty('stack');
    await eventually('the good one is handled', () => handled.length === 1);
  });

  test('a message that breaks the reading of it is dead, too', async () => {
    const { bus, names, topology, options, send, dead, defer } = await stage();
    const schema = z.object({ order: z.string() }).transform(({ order }) => {
      if (order === 'bad') throw new Error('a defect of the schema');
      return order;
    });
    const catalog = defineCatalog(defineEvent({ type: 'order.paid', exchange: names.exchange, schema }));
    const handled: string[] = [];
    const handlers = { 'order.paid': ({ data }: { data: string }) => void handled.push(data) };
    const consumer = await startConsumer(
      { transport: bus.transport, catalog, topology },
      names.queue,
      handlers,
      options(),
    );
    defer(() => consumer.close());
    await send('{"order":"bad"}');
    await send('{"order":"good"}');
    const [letter] = await dead(1);
    expect(letter?.record).toMatchObject({ reason: 'invalid', attempts: 0 });
    expect(letter?.record.message).toContain('a defect of the schema');
    await eventually('the next is handled', () => handled.length === 1);
  });

  const strange: [string, () => unknown][] = [
    ['undefined', () => undefined],
    ['null', () => null],
    ['a text', () => 'boom'],
    ['a symbol', () => Symbol('boom')],
    ['an object without a prototype', () => Object.create(null)],
    [
      'an error whose parts throw',
      () =>
        Object.defineProperty(new Error('x'), 'message', {
          get() {
            throw new Error('gotcha');
          },
        }),
    ],
    [
      'an error without a text for a message',
      () => Object.assign(new Error('x'), { message: 7, stack: [1] }),
    ],
  ];
  test.each(strange)('a handler may throw %s, at once or later', async (_name, thing) => {
    const { bus, names, options, dead } = await stage();
    await bus.consume(
      names.queue,
      {
        'order.paid'({ data }): Promise<void> {
          if (data.n === 1) throw thing();
          return Promise.reject(thing());
        },
      },
      options({ retry: false }),
    );
    await bus.publish('order.paid', { order: 'A', n: 1 });
    await bus.publish('order.paid', { order: 'B', n: 2 });
    for (const { record } of await dead(2)) {
      expect(record.reason).toBe('exhausted');
      expect(record.message).toEqual(expect.any(String));
      expect(record.fingerprint).toMatch(/^[0-9a-f]{12}$/);
    }
  });

  test('a thenable whose then throws is a failed handler', async () => {
    const { bus, names, options, dead } = await stage();
    const bad = {
      // biome-ignore lint/suspicious/noThenProperty: that is what is tested
      get then(): never {
        throw new Error('no then');
      },
    };
    await bus.consume(names.queue, { 'order.paid': () => bad as never }, options({ retry: false }));
    await bus.publish('order.paid', { order: 'A' });
    expect((await dead(1))[0]?.record.message).toBe('no then');
  });

  test('with nowhere to go it is held, told of, and leaves once there is a place', async () => {
    const { bus, names, options, troubles, deadLettered, ready, dead } = await stage({
      deadLetters: 'missing',
    });
    let calls = 0;
    const consumer = await bus.consume(
      names.queue,
      {
        'order.paid'() {
          calls++;
          throw new PermanentError('no');
        },
      },
      options({ prefetch: 1 }),
    );
    await bus.publish('order.paid', { order: 'A' });
    await bus.publish('order.paid', { order: 'B' });
    await eventually('it was tried three times', () => troubles.length >= 3);
    expect(troubles[0]).toMatchObject({
      kind: 'dead-letter',
      queue: names.queue,
      error: { code: 'exchange-missing' },
      nextTryMs: 100,
    });
    expect(consumer.state()).toMatchObject({ held: 1, running: 0 });
    // The prefetch is used up: the second event stays where it is.
    expect([calls, deadLettered, await ready(names.queue)]).toEqual([1, [], 1]);
    await bus.transport.apply({
      exchanges: [exchange(names.dlx, 'direct')],
      queues: [],
      bindings: [{ exchange: names.dlx, queue: names.dlq, key: 'dead' }],
    });
    const letters = await dead(2);
    expect(letters.map(({ record }) => record.attempts)).toEqual([1, 1]);
    expect(calls).toBe(2);
  });

  test('closing hands back what is held', async () => {
    const { bus, names, options, troubles, ready } = await stage({ deadLetters: 'missing' });
    const consumer = await bus.consume(
      names.queue,
      {
        'order.paid'() {
          throw new PermanentError('no');
        },
      },
      options(),
    );
    await bus.publish('order.paid', { order: 'A' });
    await eventually('it is held', () => troubles.length > 0);
    await within('closed long before the deadline', consumer.close(), 5_000);
    await eventually('it is back', async () => (await ready(names.queue)) === 1);
  });

  test('without a dead-letter exchange a queue of its own takes them', async () => {
    const { bus, names, options, dead } = await stage({ deadLetters: 'none' });
    expect(await bus.transport.counts(names.dlq)).toBeUndefined();
    await bus.consume(
      names.queue,
      {
        'order.paid'() {
          throw new PermanentError('no');
        },
      },
      options(),
    );
    await bus.publish('order.paid', { order: 'A' });
    expect((await dead(1, `${names.queue}_dlq`))[0]?.record.reason).toBe('permanent');
  });

  test('the option says where they go, under the event’s own key when it gives none', async () => {
    const { bus, names, options, dead } = await stage();
    await bus.transport.apply({
      exchanges: [],
      queues: [],
      bindings: [{ exchange: names.dlx, queue: names.dlq, key: 'order.paid' }],
    });
    await bus.consume(
      names.queue,
      {
        'order.paid'() {
          throw new PermanentError('no');
        },
      },
      options({ deadLetter: { exchange: names.dlx } }),
    );
    await bus.publish('order.paid', { order: 'A' });
    expect((await dead(1))[0]?.message.routingKey).toBe('order.paid');
  });

  test('a listener that throws disturbs nobody', async () => {
    const { bus, names, options, dead } = await stage();
    const uncaught: unknown[] = [];
    const listeners = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.once('uncaughtException', (error) => uncaught.push(error));
    try {
      await bus.consume(
        names.queue,
        {
          'order.paid'() {
            throw new PermanentError('no');
          },
        },
        options({
          onDeadLetter() {
            throw new Error('the listener is broken');
          },
        }),
      );
      await bus.publish('order.paid', { order: 'A' });
      await eventually('the defect surfaces', () => uncaught.length === 1);
      await dead(1);
    } finally {
      for (const listener of listeners) process.on('uncaughtException', listener);
    }
  });
});
