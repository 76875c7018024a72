import { expect, test } from 'vitest';
import type { HeaderValue } from '../../../src/core/message.js';
import { bind, queue } from '../../../src/core/topology/model.js';
import { eventually } from '../../await.js';
import { first, openWithQueue, putAll, topology } from './queues.js';
import { bodies, message, useScene } from './scene.js';

const scene = useScene();

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
  const transport = await openWithQueue(scene);
  await transport.publish(message('', 'q', 'x', { properties: { headers: { value } } }));
  expect((await first(transport, 'q'))?.properties.headers).toStrictEqual({ value });
});

test('a NUL in names and keys is refused: not every runtime could give it back', async () => {
  const transport = await openWithQueue(scene);
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
  const transport = await openWithQueue(scene);
  const published = transport.publish(message('', 'q', 'x', { properties: { expiration } }));
  await expect(published).rejects.toMatchObject({ code: 'publish-refused' });
});

test('an empty message is dead-lettered, and published again, as any other', async () => {
  const transport = await openWithQueue(scene, { 'x-dead-letter-exchange': 'dlx' });
  await putAll(transport, '');
  const consumer = await transport.consume('q', {}, (delivery) => void delivery.reject());
  const dead = await eventually('it is dead', () => first(transport, 'dead'));
  await consumer.close();
  await transport.publish(message('', 'q', '', { body: dead.body }));
  expect(await bodies(transport.browse('q'))).toEqual(['']);
});
