import { expect, test } from 'vitest';
import type { Delivery } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';
import { openWithQueue, putAll } from './queues.js';
import { bodies, message, useScene } from './scene.js';

const scene = useScene();

test('what is handed back takes its old place, whatever the order of handing back', async () => {
  const transport = await openWithQueue(scene);
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
  const transport = await openWithQueue(scene);
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
  const transport = await openWithQueue(scene);
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
  const transport = await openWithQueue(scene, { 'x-max-priority': 5 });
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
