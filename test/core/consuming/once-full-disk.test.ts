/** What a full disk does to `once`, in a process whose files may not grow. */
import { afterEach, expect, test } from 'vitest';
import type { FileIdempotencyStore } from '../../../src/storage/idempotency-store.js';
import { openDatabase } from '../../../src/storage/sqlite.js';
import { eventually, within } from '../../await.js';
import { useStores } from '../../storage/stores.js';
import { type Child, killLeftovers, runLimited } from '../../transports/embedded/child.js';

const LIMIT_BYTES = 2 * 1024 * 1024;

const scene = useStores();
afterEach(killLeftovers);

async function start(): Promise<{ child: Child; store: FileIdempotencyStore }> {
  const store = scene.open();
  await store.open();
  const program = new URL('./programs/once-on-full-disk.mjs', import.meta.url).href;
  const child = runLimited(LIMIT_BYTES / 512, program, scene.path);
  await child.printed('ready');
  return { child, store };
}

/** New pages go to the end of the write-ahead log, which this makes longer than the child may write. */
async function fill(store: FileIdempotencyStore): Promise<void> {
  await store.claim('ballast', { token: 't', leaseMs: 0, note: 'x'.repeat(LIMIT_BYTES) });
}

/** A checkpoint empties the log. */
async function makeRoom(): Promise<void> {
  const database = openDatabase(scene.path, { busyTimeoutMs: 1_000 });
  await eventually('the log is empty', () => {
    const [busy] = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() ?? [];
    return busy === 0;
  });
  database.close();
}

async function end(child: Child): Promise<void> {
  child.say('end');
  expect(await within('it ends', child.exited())).toBe(0);
}

test('an effect that happened is noted again and again until there is room, and does not run again', async () => {
  const { child, store } = await start();
  child.say('once a');
  await child.printed('effect a');
  await fill(store);
  child.say('go a');
  await child.printed('trouble a storage');
  expect(await store.find('a')).toMatchObject({ state: 'claimed' });
  await eventually('it was tried again', () => troubles(child, 'a') > 1);
  await makeRoom();
  await child.printed('ran a');
  expect(await store.find('a')).toMatchObject({ state: 'done' });
  child.say('once a');
  await eventually('it is known', () => child.lines.filter((line) => line === 'ran a').length === 2);
  expect(child.lines.filter((line) => line === 'effect a')).toHaveLength(1);
  await end(child);
});

test('an effect whose claim finds no room does not run', async () => {
  const { child, store } = await start();
  await fill(store);
  child.say('once a');
  expect(await child.printed('failed a')).toMatch(/^failed a storage /);
  expect(await store.find('a')).toEqual({ state: 'free' });
  await makeRoom();
  child.say('once a');
  await child.printed('effect a');
  child.say('go a');
  await child.printed('ran a');
  await end(child);
});

test('a key that is done is known to be done also without room', async () => {
  const { child, store } = await start();
  await store.claim('a', { token: 't', leaseMs: 1_000 });
  await store.complete('a', 't', 1_000_000);
  await fill(store);
  child.say('once a');
  await child.printed('ran a');
  expect(child.lines).not.toContain('effect a');
  await end(child);
});

test('whoever stops trying to note it says that it happened', async () => {
  const { child, store } = await start();
  child.say('once a');
  await child.printed('effect a');
  await fill(store);
  child.say('go a');
  await child.printed('trouble a storage');
  child.say('abort');
  expect(await child.printed('failed a')).toMatch(
    /^failed a effect-unknown the effect of "a" happened, but that could not be noted: /,
  );
  await makeRoom();
  await end(child);
});

test('the key of an effect that failed is given back once there is room', async () => {
  const { child, store } = await start();
  child.say('once a');
  await child.printed('effect a');
  await fill(store);
  child.say('throw a');
  await child.printed('trouble a storage');
  await makeRoom();
  expect(await child.printed('failed a')).toBe('failed a Error thrown');
  expect(await store.find('a')).toEqual({ state: 'free' });
  await end(child);
});

function troubles(child: Child, key: string): number {
  return child.lines.filter((line) => line === `trouble ${key} storage`).length;
}
