import { describe, expect, test } from 'vitest';
import type { HeaderValue, ReceivedMessage } from '../../../src/core/message.js';
import { type Arguments, bind, exchange, queue, type Topology } from '../../../src/core/topology/model.js';
import type { Delivery, Transport } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';
import { bodies, message, useScene } from './scene.js';

const scene = useScene();

function topology(parts: Partial<Topology>): Topology {
  return { exchanges: [], queues: [], bindings: [], ...parts };
}

async function withQueue(args: Arguments = {}): Promise<Transport> {
  const transport = scene.open();
  await transport.apply(
    topology({
      exchanges: [exchange('dlx', 'fanout')],
      queues: [queue('q', args), queue('dead')],
      bindings: bind('dlx', 'dead', ''),
    }),
  );
  return transport;
}

async function putAll(transport: Transport, ...texts: string[]): Promise<void> {
  for (const text of texts) await transport.publish(message('', 'q', text));
}

async function first(transport: Transport, name: string): Promise<ReceivedMessage | undefined> {
  for await (const found of transport.browse(name, { limit: 1 })) return found;
  return undefined;
}

describe('arguments', () => {
  test.each([
    ['x-expires', 1000],
    ['x-single-active-consumer', true],
    ['x-delivery-limit', 3],
    ['x-queue-type', 'quorum'],
    ['x-queue-type', 'stream'],
    ['x-max-age', '1h'],
  ])('%s=%s, which RabbitMQ would honour, is refused by name', async (name, value) => {
    const applied = scene.open().apply(topology({ queues: [queue('q', { [name]: value })] }));
    await expect(applied).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining(name),
    });
  });

  test.each([
    ['x-message-ttl', -1],
    ['x-message-ttl', '60'],
    ['x-message-ttl', 2 ** 32],
    ['x-max-length', 1.5],
    ['x-max-priority', 256],
    ['x-overflow', 'drop-tail'],
    ['x-dead-letter-exchange', 1],
    ['x-dead-letter-routing-key', 'no exchange'],
  ])('%s=%s is refused, as RabbitMQ does', async (name, value) => {
    const applied = scene.open().apply(topology({ queues: [queue('q', { [name]: value })] }));
    await expect(applied).rejects.toMatchObject({
      code: 'topology-conflict',
      message: expect.stringContaining(name),
    });
  });

  test.each([
    ['x-queue-type', 'classic'],
    ['x-single-active-consumer', false],
    ['x-queue-mode', 'lazy'],
    ['something-else', 'x'],
  ])('%s=%s is taken: it changes nothing', async (name, value) => {
    await scene.open().apply(topology({ queues: [queue('q', { [name]: value })] }));
  });

  test('a topology that contradicts itself is a conflict, and nothing of it is done', async () => {
    const transport = scene.open();
    const contradiction = topology({ queues: [queue('q'), queue('q', { 'x-max-length': 1 })] });
    await expect(transport.apply(contradiction)).rejects.toMatchObject({
      code: 'topology-conflict',
      message: expect.stringContaining('x-max-length is not set, not 1'),
    });
    expect(await transport.counts('q')).toBeUndefined();
  });

  test('names that begin with amq. are reserved, and the usual exchanges of RabbitMQ are there', async () => {
    const transport = scene.open();
    await transport.apply(topology({ exchanges: [exchange('amq.topic', 'topic')] }));
    const refused = { code: 'access-refused' };
    await expect(transport.apply(topology({ queues: [queue('amq.mine')] }))).rejects.toMatchObject(refused);
    await expect(
      transport.apply(topology({ exchanges: [exchange('amq.mine', 'topic')] })),
    ).rejects.toMatchObject(refused);
  });
});

describe('routing beside the binding keys', () => {
  test('what no queue is bound for goes to the alternate exchange', async () => {
    const transport = scene.open();
    await transport.apply(
      topology({
        exchanges: [
          exchange('main', 'direct', { arguments: { 'alternate-exchange': 'rest' } }),
          exchange('rest', 'fanout', { arguments: { 'alternate-exchange': 'main' } }),
        ],
        queues: [queue('known'), queue('others')],
        bindings: [...bind('main', 'known', 'a'), ...bind('rest', 'others', '')],
      }),
    );
    await transport.publish(message('main', 'a', 'for known'));
    await transport.publish(message('main', 'b', 'for others'));
    expect(await bodies(transport.browse('known'))).toEqual(['for known']);
    expect(await bodies(transport.browse('others'))).toEqual(['for others']);
    await transport.remove({ queues: ['others'] });
    await expect(transport.publish(message('main', 'b', 'x'))).rejects.toMatchObject({ code: 'unroutable' });
  });

  test('CC and BCC name further keys, and BCC does not travel on', async () => {
    const transport = scene.open();
    await transport.apply(topology({ queues: [queue('a'), queue('b'), queue('c')] }));
    const headers = { CC: ['b', 'a'], BCC: ['c'], kept: 1 };
    await transport.publish(message('', 'a', 'x', { properties: { headers } }));
    for (const name of ['a', 'b', 'c']) {
      const found = await first(transport, name);
      expect(found?.properties.headers).toEqual({ CC: ['b', 'a'], kept: 1 });
      expect((await transport.counts(name))?.ready).toBe(1);
    }
  });

  test('an auto-delete exchange goes with its last binding', async () => {
    const transport = scene.open();
    const temporary = exchange('temporary', 'fanout', { autoDelete: true });
    await transport.apply(
      topology({ exchanges: [temporary], queues: [queue('q')], bindings: bind('temporary', 'q', '') }),
    );
    await transport.remove({ queues: ['q'] });
    expect((await transport.inspect(topology({ exchanges: [temporary] }))).exchanges).toEqual([
      { state: 'absent' },
    ]);
  });
});

describe('limits', () => {
  test('a full queue with reject-publish-dlx refuses the publish and dead-letters what it refused', async () => {
    const transport = await withQueue({
      'x-max-length': 1,
      'x-overflow': 'reject-publish-dlx',
      'x-dead-letter-exchange': 'dlx',
    });
    await putAll(transport, 'kept');
    await expect(putAll(transport, 'refused')).rejects.toMatchObject({ code: 'publish-refused' });
    expect(await bodies(transport.browse('q'))).toEqual(['kept']);
    const dead = await first(transport, 'dead');
    expect(dead?.body.toString()).toBe('refused');
    expect(dead?.properties.headers).toMatchObject({ 'x-first-death-reason': 'maxlen' });
  });

  test('a message larger than the whole queue is dropped by itself, with all before it', async () => {
    const transport = await withQueue({ 'x-max-length-bytes': 10 });
    await putAll(transport, 'small', 'too large for this queue', 'next');
    expect(await bodies(transport.browse('q'))).toEqual(['next']);
  });

  test('a requeue into a full queue drops its head: the requeued message itself', async () => {
    const transport = await withQueue({ 'x-max-length': 2, 'x-dead-letter-exchange': 'dlx' });
    await putAll(transport, 'one');
    const held: Delivery[] = [];
    const consumer = await transport.consume('q', { prefetch: 1 }, (delivery) => held.push(delivery));
    await eventually('one is held', () => held.length === 1);
    await consumer.stop();
    await putAll(transport, 'two', 'three');
    await held[0]?.requeue();
    expect(await bodies(transport.browse('q'))).toEqual(['two', 'three']);
    expect(await bodies(transport.browse('dead'))).toEqual(['one']);
  });

  test('a queue that dead-letters its overflow to itself cuts the cycle', async () => {
    const transport = await withQueue({
      'x-max-length': 1,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': 'q',
    });
    await putAll(transport, 'one', 'two', 'three');
    expect(await bodies(transport.browse('q'))).toEqual(['three']);
  });

  test('an overflowing tap loses its oldest copies, and each loss is told where it happened', async () => {
    const transport = await withQueue();
    await transport.apply(topology({ exchanges: [exchange('x', 'topic')], bindings: bind('x', 'q', '#') }));
    const stream: string[] = [];
    let proceed = () => {};
    await transport.tap(
      { bindings: [{ exchange: 'x', key: '#' }], bufferLimit: 3 },
      {
        onGap: ({ reason }) => stream.push(reason),
        onMessage: ({ body }) => {
          stream.push(body.toString());
          return new Promise((resolve) => {
            proceed = resolve;
          });
        },
      },
    );
    const publish = (text: string) => transport.publish(message('x', 'k', text));
    await publish('first');
    await eventually('the reader is busy', () => stream.length === 1);
    for (let number = 1; number <= 10; number++) await publish(`${number}`);
    const seen = (count: number) =>
      eventually('it reads on', () => {
        if (stream.length >= count) return true;
        proceed();
        return false;
      });
    await seen(5);
    expect(stream).toEqual(['first', 'overflow', '8', '9', '10']);
    proceed();
    await publish('last');
    await seen(6);
    expect(stream.slice(5)).toEqual(['last']);
    proceed();
  });
});

describe('order', () => {
  test('what is handed back takes its old place, whatever the order of handing back', async () => {
    const transport = await withQueue();
    await putAll(transport, 'a', 'b', 'c', 'd', 'e');
    const held: Delivery[] = [];
    const consumer = await transport.consume('q', { prefetch: 4 }, (delivery) => held.push(delivery));
    await eventually('four are held', () => held.length === 4);
    await consumer.stop();
    const [a, b, c, d] = held;
    await Promise.all([d?.requeue(), b?.requeue(), a?.requeue()]);
    expect(await bodies(transport.browse('q'))).toEqual(['a', 'b', 'd', 'e']);
    await c?.requeue();
    await consumer.close();
    const again: string[] = [];
    await transport.consume('q', {}, ({ message: { body, redelivered } }) => {
      again.push(`${body} ${redelivered}`);
    });
    await eventually('all come again', () => again.length === 5);
    expect(again).toEqual(['a true', 'b true', 'c true', 'd true', 'e false']);
  });

  test('an entry that changed hands is not given back by its first holder', async () => {
    const transport = await withQueue();
    const other = scene.open();
    await putAll(transport, 'a', 'b');
    const firstHeld: Delivery[] = [];
    const one = await transport.consume('q', { prefetch: 2 }, (delivery) => firstHeld.push(delivery));
    await eventually('both are held', () => firstHeld.length === 2);
    await one.stop();
    await firstHeld[0]?.requeue();
    const secondHeld: Delivery[] = [];
    await other.consume('q', {}, (delivery) => secondHeld.push(delivery));
    await eventually('a is held by the other', () => secondHeld.length === 1);
    await one.close();
    await eventually('b follows', () => secondHeld.length === 2);
    expect(secondHeld.map(({ message: { body } }) => body.toString())).toEqual(['a', 'b']);
    expect(await Promise.all(secondHeld.map((delivery) => delivery.ack()))).toEqual(['settled', 'settled']);
    expect(await transport.counts('q')).toEqual({ ready: 0, consumers: 1 });
  });

  test('large messages keep their order, although few are read at once', async () => {
    const transport = await withQueue();
    const megabytes = (count: number, letter: string) => letter.repeat(count * 1024 * 1024);
    await putAll(transport, megabytes(9, 'a'), megabytes(9, 'b'), 'c', megabytes(9, 'd'), 'e');
    const order: string[] = [];
    const held: Delivery[] = [];
    const consumer = await transport.consume('q', {}, (delivery) => {
      order.push(delivery.message.body.toString('latin1', 0, 1));
      held.push(delivery);
    });
    await eventually('all are delivered', () => order.length === 5);
    await consumer.close();
    await transport.consume('q', {}, ({ message: { body } }) => order.push(body.toString('latin1', 0, 1)));
    await eventually('all are delivered again', () => order.length === 10);
    expect(order.join('')).toBe('abcdeabcde');
  });

  test('priorities come first even among those handed back', async () => {
    const transport = await withQueue({ 'x-max-priority': 5 });
    for (const priority of [0, 5, 3]) {
      await transport.publish(message('', 'q', `p${priority}`, { properties: { priority } }));
    }
    const held: Delivery[] = [];
    const consumer = await transport.consume('q', {}, (delivery) => held.push(delivery));
    await eventually('all are held', () => held.length === 3);
    expect(held.map(({ message: { body } }) => body.toString())).toEqual(['p5', 'p3', 'p0']);
    await consumer.close();
    await transport.publish(message('', 'q', 'new p4', { properties: { priority: 4 } }));
    expect(await bodies(transport.browse('q'))).toEqual(['p5', 'new p4', 'p3', 'p0']);
  });
});

describe('content', () => {
  const headerValues: [string, HeaderValue][] = [
    ['not a number', Number.NaN],
    ['infinity', Number.NEGATIVE_INFINITY],
    ['minus zero', -0],
    ['the smallest float', Number.MIN_VALUE],
    ['half a surrogate pair', 'a\ud800b'],
    ['a NUL in text', 'a\u0000b'],
    ['a typed value', { '!': 'int64', value: '9223372036854775807' }],
    ['a key named __proto__', JSON.parse('{"__proto__": {"x": 1}}') as HeaderValue],
    ['nested lists', [[null, [true, -0]]]],
  ];

  test.each(headerValues)('a header keeps %s', async (_, value) => {
    const transport = await withQueue();
    await transport.publish(message('', 'q', 'x', { properties: { headers: { value } } }));
    expect((await first(transport, 'q'))?.properties.headers).toStrictEqual({ value });
  });

  test('a NUL in names and keys is refused: not every runtime could give it back', async () => {
    const transport = await withQueue();
    const odd = `a${String.fromCharCode(0)}b`;
    const conflict = { code: 'topology-conflict', message: expect.stringContaining('NUL') };
    await expect(transport.apply(topology({ queues: [queue(odd)] }))).rejects.toMatchObject(conflict);
    await expect(transport.apply(topology({ bindings: bind('dlx', 'q', odd) }))).rejects.toMatchObject(
      conflict,
    );
    await expect(transport.publish(message('', odd, 'x'))).rejects.toMatchObject({
      code: 'publish-refused',
      message: expect.stringContaining('NUL'),
    });
  });

  test.each(['-1', '1.5', '1s', '', '4294967296'])('the expiration "%s" is refused', async (expiration) => {
    const transport = await withQueue();
    const published = transport.publish(message('', 'q', 'x', { properties: { expiration } }));
    await expect(published).rejects.toMatchObject({ code: 'publish-refused' });
  });
});

test('thousands of messages that expire together are all dead-lettered, and what lives is delivered', async () => {
  const transport = await withQueue({ 'x-dead-letter-exchange': 'dlx' });
  const dying = Array.from({ length: 6_500 }, (_, index) => `${index}`);
  await Promise.all(
    dying.map((text) => transport.publish(message('', 'q', text, { properties: { expiration: '1' } }))),
  );
  await putAll(transport, 'alive');
  const seen: string[] = [];
  await transport.consume('q', { prefetch: 10 }, (delivery) => {
    seen.push(delivery.message.body.toString());
    void delivery.ack();
  });
  await eventually('the living one arrives', () => seen.includes('alive'));
  // Some may have been delivered within their millisecond.
  await eventually('the others are dead', async () => {
    return (await transport.counts('dead'))?.ready === dying.length - (seen.length - 1);
  });
  expect((await bodies(transport.browse('dead'))).concat(seen).sort()).toEqual([...dying, 'alive'].sort());
});
