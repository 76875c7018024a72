import { expect, test } from 'vitest';
import { bind, exchange } from '../../../src/core/topology/model.js';
import type { Delivery } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';
import { first, openWithQueue, putAll, topology } from './queues.js';
import { bodies, message, useScene } from './scene.js';

const scene = useScene();

test('a full queue with reject-publish-dlx refuses the publish and dead-letters what it refused', async () => {
  const transport = await openWithQueue(scene, {
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
  const transport = await openWithQueue(scene, { 'x-max-length-bytes': 10 });
  await putAll(transport, 'small', 'too large for this queue', 'next');
  expect(await bodies(transport.browse('q'))).toEqual(['next']);
});

test('a requeue into a full queue drops its head: the requeued message itself', async () => {
  const transport = await openWithQueue(scene, { 'x-max-length': 2, 'x-dead-letter-exchange': 'dlx' });
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
  const transport = await openWithQueue(scene, {
    'x-max-length': 1,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': 'q',
  });
  await putAll(transport, 'one', 'two', 'three');
  expect(await bodies(transport.browse('q'))).toEqual(['three']);
});

test('an overflowing tap loses its oldest copies, and each loss is told where it happened', async () => {
  const transport = await openWithQueue(scene);
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

test('thousands of messages that expire together are all dead-lettered, and what lives is delivered', async () => {
  const transport = await openWithQueue(scene, { 'x-dead-letter-exchange': 'dlx' });
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
