import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { FileIdempotencyStore } from '../../src/storage/idempotency-store.js';
import { openDatabase } from '../../src/storage/sqlite.js';
import { createEmbeddedTransport } from '../../src/transports/embedded/index.js';
import { eventually, within } from '../await.js';
import { useStores } from './stores.js';

const LEASE = { token: 'a', leaseMs: 1_000 };
const scene = useStores();

/** Another connection that holds the write lock until it is told. */
function lock(): () => void {
  const other = openDatabase(scene.path);
  other.exec('BEGIN IMMEDIATE');
  return () => other.close();
}

test('while another holds the lock the event loop runs, looks are answered, and the rest follows', async () => {
  const store = scene.open();
  await store.claim('k', LEASE);
  const unlock = lock();
  const writing = Promise.all([store.complete('k', 'a', 1_000), store.claim('l', LEASE)]);
  const looking = scene.open();
  expect(await looking.find('k')).toMatchObject({ state: 'claimed' });
  let longest = 0;
  for (let last = performance.now(), turns = 0; turns < 30; turns++) {
    await delay(1);
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }
  // 4 ms per attempt; the rest is a busy machine.
  expect(longest).toBeLessThan(500);
  unlock();
  expect(await within('both are answered', writing)).toEqual([true, { state: 'claimed-now' }]);
  expect(await looking.find('k')).toMatchObject({ state: 'done' });
});

test('a lock that is never given back is a storage error that says what to look for; later ones work', async () => {
  const store = scene.open({ lockTimeoutMs: 50 });
  await store.claim('k', LEASE);
  const unlock = lock();
  await expect(store.complete('k', 'a', 1_000)).rejects.toMatchObject({
    code: 'storage',
    message: expect.stringContaining('locked by another process for 50 ms'),
    hint: expect.stringContaining('stuck or stopped processes'),
  });
  unlock();
  expect(await store.complete('k', 'a', 1_000)).toBe(true);
});

test('closing waits for what was asked before, and refuses what comes after', async () => {
  const store = scene.open();
  await store.open();
  const unlock = lock();
  const claims = Promise.all(['k', 'l'].map((key) => store.claim(key, LEASE)));
  const closing = store.close();
  const late = store.find('k');
  await expect(late).rejects.toMatchObject({ code: 'closed' });
  unlock();
  await within('it is closed', Promise.all([closing, store.close()]));
  expect(await claims).toEqual([{ state: 'claimed-now' }, { state: 'claimed-now' }]);
  await expect(store.claim('m', LEASE)).rejects.toMatchObject({ code: 'closed' });
  expect(existsSync(`${scene.path}-wal`)).toBe(false);
});

test('a store that was never used creates nothing', async () => {
  await scene.open().close();
  expect(existsSync(dirname(scene.path))).toBe(false);
});

async function refusal(store: FileIdempotencyStore): Promise<unknown> {
  return store.open().then(
    () => 'opened',
    (error: unknown) => error,
  );
}

test('a file of a newer format is refused and left alone', async () => {
  await scene.open().open();
  const newer = openDatabase(scene.path, { busyTimeoutMs: 1_000 });
  newer.exec('PRAGMA user_version = 2');
  newer.close();
  const store = scene.open();
  expect(await refusal(store)).toMatchObject({
    code: 'storage',
    message: expect.stringContaining('newer atma-events (format 2)'),
    hint: expect.stringContaining('Update atma-events'),
  });
  await expect(store.claim('k', LEASE)).rejects.toMatchObject({ code: 'storage' });
  expect(scene.rows('SELECT count(*) FROM entry')).toEqual([[0]]);
});

test.each([
  ['the file of an embedded broker', async () => createBroker(scene.path)],
  ['a database of another program', async () => createDatabase(scene.path)],
  ['a text file', async () => writeFileSync(scene.path, 'notes '.repeat(1_000))],
])('%s is refused and left alone', async (_, create) => {
  mkdirSync(dirname(scene.path));
  await create();
  const before = readFileSync(scene.path);
  expect(await refusal(scene.open())).toMatchObject({
    code: 'storage',
    hint: expect.stringContaining('path'),
  });
  expect(readFileSync(scene.path)).toEqual(before);
});

test('a folder that cannot be is told at once, and it works when the path is free', async () => {
  writeFileSync(dirname(scene.path), 'in the way');
  const store = scene.open();
  expect(await refusal(store)).toMatchObject({ code: 'storage', hint: expect.stringContaining('folder') });
  await expect(store.find('k')).rejects.toMatchObject({ code: 'storage' });
});

test('a table that is damaged rejects each operation, and not only the first', async () => {
  const store = scene.open();
  await store.claim('k', LEASE);
  const other = openDatabase(scene.path, { busyTimeoutMs: 1_000 });
  other.exec('ALTER TABLE entry RENAME TO lost');
  for (const operation of [
    () => store.claim('l', LEASE),
    () => store.find('k'),
    () => store.release('k', 'a'),
  ]) {
    await expect(operation()).rejects.toMatchObject({ code: 'storage' });
  }
  other.exec('ALTER TABLE lost RENAME TO entry');
  await eventually('it works again', async () => (await store.find('k')).state === 'claimed');
  other.close();
});

async function createBroker(path: string): Promise<void> {
  const broker = createEmbeddedTransport(path);
  await broker.apply({ exchanges: [], queues: [], bindings: [] });
  await broker.close();
}

function createDatabase(path: string): void {
  const other = openDatabase(path);
  other.exec('CREATE TABLE theirs (x)');
  other.close();
}
