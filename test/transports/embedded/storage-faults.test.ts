import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { queue } from '../../../src/core/topology/model.js';
import type { Delivery } from '../../../src/core/transport.js';
import { openDatabase } from '../../../src/storage/sqlite.js';
import { createEmbeddedTransport } from '../../../src/transports/embedded/index.js';
import { eventually } from '../../await.js';
import { bodies, message, useScene } from './scene.js';

const scene = useScene();
const ONE_QUEUE = { exchanges: [], queues: [queue('q')], bindings: [] };

describe('a path that cannot be a broker file', () => {
  test('a folder is refused with a hint', async () => {
    mkdirSync(scene.path);
    await expect(scene.open().open()).rejects.toMatchObject({
      code: 'storage',
      hint: expect.stringContaining('must be a file'),
    });
  });

  test.each([
    ['inside a file', () => join(scene.path, 'broker.db'), 'must be a file'],
    ['with a name too long', () => join(scene.folder, 'x'.repeat(300)), 'must be a file'],
  ])('a path %s is refused with a hint', async (_, path, hint) => {
    writeFileSync(scene.path, '');
    await expect(createEmbeddedTransport(path()).open()).rejects.toMatchObject({
      code: 'storage',
      hint: expect.stringContaining(hint),
    });
  });

  test('a file of something else is refused, and left as it was', async () => {
    const content = 'this is not a database, however long it may be. '.repeat(100);
    writeFileSync(scene.path, content);
    await expect(scene.open().apply(ONE_QUEUE)).rejects.toMatchObject({ code: 'storage' });
    expect(readFileSync(scene.path, 'utf8')).toBe(content);
  });

  test('the database of another program is refused', async () => {
    const other = openDatabase(scene.path);
    other.exec('CREATE TABLE theirs (x)');
    other.close();
    await expect(scene.open().open()).rejects.toMatchObject({
      code: 'storage',
      message: expect.stringContaining('another program'),
    });
  });

  test('a broker file of a newer version is refused by name of the format', async () => {
    await scene.open().apply(ONE_QUEUE);
    const newer = openDatabase(scene.path, { busyTimeoutMs: 1_000 });
    newer.exec('PRAGMA user_version = 99');
    newer.close();
    await expect(scene.open().open()).rejects.toMatchObject({
      code: 'storage',
      message: expect.stringContaining('newer atma-events (format 99)'),
    });
  });
});

test('looking at, or reading from, what does not exist creates no file', async () => {
  const transport = scene.open();
  expect((await transport.inspect(ONE_QUEUE)).queues).toEqual([{ state: 'absent' }]);
  expect(await transport.counts('q')).toBeUndefined();
  expect(await transport.survey()).toEqual({ state: 'known', exchanges: [], queues: [], bindings: [] });
  await expect(bodies(transport.browse('q'))).rejects.toMatchObject({ code: 'queue-missing' });
  await expect(transport.consume('q', {}, () => {})).rejects.toMatchObject({ code: 'queue-missing' });
  const handlers = { onMessage: () => {}, onGap: () => {} };
  const tapped = transport.tap({ bindings: [{ exchange: 'x', key: '#' }] }, handlers);
  await expect(tapped).rejects.toMatchObject({ code: 'exchange-missing' });
  await transport.remove({ queues: ['q'] });
  await transport.close();
  expect(readdirSync(scene.folder)).toEqual([]);
});

test('a consumer that ended on a damaged file takes nothing more, and what it holds can still be settled', async () => {
  const transport = scene.open();
  await transport.apply(ONE_QUEUE);
  await transport.publish(message('', 'q', 'a'));
  const held: Delivery[] = [];
  const subscription = await transport.consume('q', { prefetch: 2 }, (delivery) => held.push(delivery));
  await eventually('a is held', () => held.length === 1);
  const other = openDatabase(scene.path, { busyTimeoutMs: 1_000 });
  other.exec('ALTER TABLE claim RENAME TO hidden');
  await transport.publish(message('', 'q', 'b'));
  await expect(subscription.ended).rejects.toMatchObject({ code: 'storage' });
  await expect(held[0]?.ack()).rejects.toMatchObject({ code: 'storage' });
  other.exec('ALTER TABLE hidden RENAME TO claim');
  other.close();

  const taken: string[] = [];
  await scene.open().consume('q', {}, (delivery) => taken.push(delivery.message.body.toString()));
  await transport.publish(message('', 'q', 'c'));
  await eventually('another takes them', () => taken.length === 2);
  expect(taken).toEqual(['b', 'c']);
  expect(held).toHaveLength(1);
  expect(await held[0]?.ack()).toBe('settled');
  await subscription.close();
});
