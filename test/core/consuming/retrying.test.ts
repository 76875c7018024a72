/** The retry ladder: a failed event comes back to its queue, and to no other, as it was published. */
import { expect } from 'vitest';
import { type HandlerContext, PermanentError, queue, type ReceivedMessage } from '../../../src/index.js';
import { eventually, gate } from '../../await.js';
import { onBothBrokers } from './stage.js';

onBothBrokers('the retry ladder', (test, stage, kind) => {
  test('a failing event walks every delay, and then dies with a full failure record', async () => {
    const { bus, names, options, dead, deadLettered } = await stage();
    const attempts: number[] = [];
    const begun = Date.now();
    await bus.consume(
      names.queue,
      {
        'order.paid'(_event, { attempt }) {
          attempts.push(attempt);
          throw new TypeError(`no carrier for order 4711, attempt ${attempt}`);
        },
      },
      options(),
    );
    const { id } = await bus.publish('order.paid', { order: 'A' });
    const [letter] = await dead(1);
    expect(attempts).toEqual([0, 1, 2]);
    expect(Date.now() - begun).toBeGreaterThanOrEqual(60);
    expect(letter?.record).toEqual({
      reason: 'exhausted',
      exception: 'TypeError',
      message: 'no carrier for order 4711, attempt 2',
      stack: expect.stringContaining('retrying.test.ts'),
      fingerprint: expect.stringMatching(/^[0-9a-f]{12}$/),
      attempts: 3,
      firstFailedAt: expect.any(String),
      lastFailedAt: expect.any(String),
      queue: names.queue,
      consumer: 'shop',
      version: 1,
      exchange: names.exchange,
      routingKey: 'order.paid',
    });
    const { firstFailedAt = '', lastFailedAt = '' } = letter?.record ?? {};
    expect(Date.parse(lastFailedAt) - Date.parse(firstFailedAt)).toBeGreaterThanOrEqual(50);
    expect(letter?.message.properties).toMatchObject({ messageId: id, type: 'order.paid', appId: 'shop' });
    expect(deadLettered).toEqual([letter?.record]);
    expect(
      await eventually('nothing is left', async () => (await bus.transport.counts(names.queue))?.ready === 0),
    );
  });

  test('an event that succeeds the second time is done, and no other queue sees it twice', async () => {
    const { bus, names, options, ready } = await stage();
    let done = 0;
    const consumer = await bus.consume(
      names.queue,
      {
        async 'order.paid'(_event, { attempt }) {
          if (attempt === 0) throw new Error('the carrier sleeps');
          done++;
        },
      },
      options(),
    );
    await bus.publish('order.paid', { order: 'A' });
    await eventually('it is done', () => done === 1);
    await consumer.close();
    expect([await ready(names.queue), await ready(names.other), await ready(names.dlq)]).toEqual([0, 1, 0]);
  });

  test('what comes back is what was published: body, properties, headers, exchange and key', async () => {
    const { bus, names, options, send } = await stage({ arguments: { 'x-max-priority': 5 } });
    const seen: ReceivedMessage[] = [];
    await bus.consume(
      names.queue,
      {
        'order.paid'(_event, { message }) {
          seen.push(message);
          if (seen.length < 3) throw new Error('again');
        },
      },
      options(),
    );
    const properties = {
      type: 'order.paid',
      messageId: 'm-1',
      correlationId: 'c-1',
      replyTo: 'r',
      appId: 'shop',
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      priority: 3,
      deliveryMode: 2 as const,
      timestamp: 1_700_000_000,
      headers: { own: 'header', nested: { a: [1, 'x', null, true] } },
    };
    await send('{"order":"A"}', properties);
    await eventually('three attempts', () => seen.length === 3);
    for (const message of seen) {
      const { exchange, routingKey, body } = message;
      expect([exchange, routingKey, body.toString()]).toEqual([
        names.exchange,
        'order.paid',
        '{"order":"A"}',
      ]);
      expect(message.properties).toEqual(properties);
    }
  });

  test('further routing keys (CC) do not route the copies, and are kept', async () => {
    const { bus, names, options, send, dead, ready } = await stage();
    const seen: unknown[] = [];
    await bus.consume(
      names.queue,
      {
        'order.paid'(_event, { message }) {
          seen.push(message.properties.headers?.CC);
          throw new Error('no');
        },
      },
      options(),
    );
    // By its name, the default exchange would route a copy to the other queue.
    await send('{"order":"A"}', { messageId: 'm', headers: { CC: [names.other] } });
    const [letter] = await dead(1);
    expect(seen).toEqual([[names.other], [names.other], [names.other]]);
    expect(letter?.message.properties.headers).not.toHaveProperty('CC');
    expect(letter?.record.cc).toEqual([names.other]);
    expect(await ready(names.other)).toBe(1);
  });

  test('a time to live of its own neither shortens a delay nor removes the dead letter, and is on record', async () => {
    const { bus, names, options, send, dead } = await stage();
    const contexts: HandlerContext[] = [];
    await bus.consume(
      names.queue,
      {
        'order.paid'({ data }, context) {
          contexts.push(context);
          throw data.n === 1 ? new PermanentError('no') : new Error('no');
        },
      },
      options(),
    );
    await send('{"order":"retried"}', { messageId: 'm', expiration: '60000' });
    await send('{"order":"dead at once","n":1}', { messageId: 'n', expiration: '60000' });
    for (const { message, record } of await dead(2)) {
      expect(message.properties.expiration).toBeUndefined();
      expect(record.expiration).toBe('60000');
    }
    expect(contexts.map(({ attempt }) => attempt).toSorted()).toEqual([0, 0, 1, 2]);
    expect(contexts[0]?.message.properties.expiration).toBe('60000');
  });

  test('a user id does not keep the copies from being published, and is on record', async () => {
    const { bus, names, options, send, dead, url } = await stage();
    const user = kind === 'amqp' ? new URL(url).username : 'ada';
    await bus.consume(
      names.queue,
      {
        'order.paid'() {
          throw new Error('no');
        },
      },
      options(),
    );
    await send('{"order":"A"}', { messageId: 'm', userId: user });
    const [letter] = await dead(1);
    expect(letter?.message.properties.userId).toBeUndefined();
    expect(letter?.record.userId).toBe(user);
  });

  test('a history of deaths in this queue does not make the broker drop the retried event as a circle', async () => {
    const { bus, names, options, send, dead } = await stage();
    const histories: unknown[] = [];
    await bus.consume(
      names.queue,
      {
        'order.paid'(_event, { message }) {
          histories.push(message.properties.headers?.['x-death']);
          throw new Error('no');
        },
      },
      options(),
    );
    const death = {
      queue: names.queue,
      reason: 'expired',
      count: 1,
      exchange: names.exchange,
      'routing-keys': ['order.paid'],
    };
    await send('{"order":"A"}', { messageId: 'm', headers: { 'x-death': [death] } });
    const [letter] = await dead(1);
    expect(histories).toEqual([[death], [death], [death]]);
    expect(letter?.message.properties.headers?.['x-death']).toMatchObject([
      { queue: names.queue, reason: 'rejected' },
      death,
    ]);
  });

  test('a delay queue that somebody deleted is declared again', async () => {
    const { bus, names, options, troubles } = await stage();
    let attempts = 0;
    await bus.consume(
      names.queue,
      {
        'order.paid'() {
          attempts++;
          if (attempts === 1) throw new Error('no');
        },
      },
      options(),
    );
    await bus.transport.remove({ queues: [`${names.queue}.retry.20`] });
    await bus.publish('order.paid', { order: 'A' });
    await eventually('the second attempt', () => attempts === 2);
    expect(troubles).toMatchObject([
      { kind: 'retry-copy', queue: names.queue, error: { code: 'unroutable' } },
    ]);
  });

  test('the depth of each delay queue can be asked for', async () => {
    const { bus, names, options } = await stage();
    const consumer = await bus.consume(
      names.queue,
      {
        'order.paid'() {
          throw new Error('no');
        },
      },
      options({ retry: { delaysMs: [60_000, 3_000] } }),
    );
    await bus.publish('order.paid', { order: 'A' });
    await bus.publish('order.paid', { order: 'B' });
    await eventually('both wait', async () => (await consumer.retryDepths())[0]?.messages === 2);
    expect(await consumer.retryDepths()).toEqual([
      { queue: `${names.queue}.retry.60000`, delayMs: 60_000, messages: 2 },
      { queue: `${names.queue}.retry.3000`, delayMs: 3_000, messages: 0 },
    ]);
  });

  test('without retries the first failure is the last', async () => {
    const { bus, names, options, dead } = await stage();
    await bus.consume(
      names.queue,
      {
        'order.paid'() {
          throw new Error('no');
        },
      },
      options({ retry: false }),
    );
    await bus.publish('order.paid', { order: 'A' });
    expect((await dead(1))[0]?.record).toMatchObject({ reason: 'exhausted', attempts: 1 });
    expect(await bus.transport.counts(`${names.queue}.retry.5000`)).toBeUndefined();
  });

  if (kind === 'amqp') {
    test('a quorum queue has quorum delay queues, and what it counts does not travel with the copies', async () => {
      const { bus, another, names, options, dead } = await stage({
        arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 5 },
      });
      const door = gate();
      const service = await another();
      const first = await service.consume(names.queue, { 'order.paid': () => door.opened }, options());
      await bus.publish('order.paid', { order: 'A' });
      await eventually('it runs', () => first.state().running === 1);
      await first.close({ deadlineMs: 0 });
      const counts: unknown[] = [];
      await bus.consume(
        names.queue,
        {
          'order.paid'(_event, { message }) {
            counts.push(message.properties.headers?.['x-delivery-count']);
            throw new Error('no');
          },
        },
        options(),
      );
      const [letter] = await dead(1);
      expect(counts).toEqual([1, undefined, undefined]);
      expect(letter?.message.properties.headers).not.toHaveProperty('x-delivery-count');
      expect(letter?.record).toMatchObject({ reason: 'exhausted', attempts: 3 });
      const classic = { exchanges: [], queues: [queue(`${names.queue}.retry.20`)], bindings: [] };
      await expect(bus.transport.apply(classic)).rejects.toMatchObject({ code: 'topology-conflict' });
    });
  }
});
