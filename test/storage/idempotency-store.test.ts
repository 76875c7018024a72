import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { openDatabase } from '../../src/storage/sqlite.js';
import { useStores } from './stores.js';

const LEASE = { token: 'a', leaseMs: 1_000 };
const scene = useStores();

test('a free key is claimed, others find it claimed, and once its lease has passed it is unknown', async () => {
  const store = scene.open();
  expect(await store.find('k')).toEqual({ state: 'free' });
  expect(await store.claim('k', { ...LEASE, note: 'worker 1' })).toEqual({ state: 'claimed-now' });
  const claimed = { state: 'claimed', since: scene.time, until: scene.time + 1_000, note: 'worker 1' };
  expect(await store.claim('k', { token: 'b', leaseMs: 1_000 })).toEqual(claimed);
  expect(await scene.open().find('k')).toEqual(claimed);
  const since = scene.time;
  scene.pass(999);
  expect(await store.find('k')).toMatchObject({ state: 'claimed' });
  scene.pass(1);
  const unknown = { state: 'unknown', since, note: 'worker 1' };
  expect(await store.claim('k', { token: 'b', leaseMs: 1_000 })).toEqual(unknown);
  expect(await store.find('k')).toEqual(unknown);
});

test('an unknown key is taken over when asked for, and then the first claimant has it no more', async () => {
  const store = scene.open();
  await store.claim('k', LEASE);
  const takeOver = { token: 'b', leaseMs: 1_000, note: 'second', evenUnknown: true };
  expect(await store.claim('k', takeOver)).toMatchObject({ state: 'claimed' });
  scene.pass(1_000);
  expect(await store.claim('k', takeOver)).toEqual({ state: 'claimed-now' });
  expect(await store.renew('k', 'a', 1_000)).toBe(false);
  expect(await store.complete('k', 'a', 1_000)).toBe(false);
  expect(await store.release('k', 'a')).toBe(false);
  expect(await store.find('k')).toEqual({
    state: 'claimed',
    since: scene.time,
    until: scene.time + 1_000,
    note: 'second',
  });
  expect(await store.complete('k', 'b', 1_000)).toBe(true);
});

test('a completed key is done for as long as it is kept, then free', async () => {
  const store = scene.open();
  await store.claim('k', { ...LEASE, note: 'noted' });
  scene.pass(10);
  expect(await store.complete('k', 'a', 5_000)).toBe(true);
  const done = { state: 'done', at: scene.time, note: 'noted' };
  expect(await store.claim('k', { token: 'b', leaseMs: 1, evenUnknown: true })).toEqual(done);
  scene.pass(4_999);
  expect(await scene.open().find('k')).toEqual(done);
  scene.pass(1);
  expect(await store.find('k')).toEqual({ state: 'free' });
  expect(await store.claim('k', { token: 'b', leaseMs: 1_000 })).toEqual({ state: 'claimed-now' });
  expect(await store.find('k')).toMatchObject({ state: 'claimed', note: '' });
});

test('completing again is fine for the same token, and nobody else; the key is then kept from now', async () => {
  const store = scene.open();
  await store.claim('k', LEASE);
  await store.complete('k', 'a', 1_000);
  expect(await store.complete('k', 'a', 9_000)).toBe(true);
  expect(await store.complete('k', 'b', 9_000)).toBe(false);
  expect(await store.complete('other', 'a', 9_000)).toBe(false);
  expect(await store.release('k', 'a')).toBe(false);
  expect(await store.renew('k', 'a', 9_000)).toBe(false);
  scene.pass(8_999);
  expect(await store.find('k')).toMatchObject({ state: 'done', at: scene.time - 8_999 });
  scene.pass(1);
  expect(await store.find('k')).toEqual({ state: 'free' });
});

test('a key that is completed again with no time to be kept is free at once, for others too', async () => {
  const store = scene.open();
  await store.claim('k', LEASE);
  await store.complete('k', 'a', 9_000);
  expect(await store.complete('k', 'a', 0)).toBe(true);
  expect(await scene.open().find('k')).toEqual({ state: 'free' });
  expect(await store.claim('k', { token: 'b', leaseMs: 1_000 })).toEqual({ state: 'claimed-now' });
  expect(await store.complete('k', 'a', 9_000)).toBe(false);
});

test('with a lease of 0 a key is unknown at once, and its claimant can still complete it', async () => {
  const store = scene.open();
  await store.claim('k', { token: 'a', leaseMs: 0, note: 'decision' });
  expect(await store.find('k')).toEqual({ state: 'unknown', since: scene.time, note: 'decision' });
  expect(await store.complete('k', 'a', 1_000)).toBe(true);
  expect(await store.find('k')).toEqual({ state: 'done', at: scene.time, note: 'decision' });
});

test('renewing moves the end of the lease, also after it has passed', async () => {
  const store = scene.open();
  await store.claim('k', LEASE);
  scene.pass(900);
  expect(await store.renew('k', 'a', 1_000)).toBe(true);
  expect(await store.find('k')).toMatchObject({ state: 'claimed', until: scene.time + 1_000 });
  scene.pass(5_000);
  expect(await store.find('k')).toMatchObject({ state: 'unknown' });
  expect(await store.renew('k', 'b', 1_000)).toBe(false);
  expect(await store.renew('k', 'a', 1_000)).toBe(true);
  expect(await store.find('k')).toMatchObject({ state: 'claimed' });
});

test('a released key is free; only its claimant can release it', async () => {
  const store = scene.open();
  await store.claim('k', LEASE);
  expect(await store.release('k', 'b')).toBe(false);
  expect(await store.find('k')).toMatchObject({ state: 'claimed' });
  expect(await store.release('k', 'a')).toBe(true);
  expect(await store.find('k')).toEqual({ state: 'free' });
});

test('of those who claim a key in the same turn, on any number of connections, one gets it', async () => {
  const stores = [scene.open(), scene.open(), scene.open()];
  await Promise.all(stores.map((store) => store.open()));
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, index) =>
      (stores[index % 3] ?? scene.open()).claim('k', { token: `t${index}`, leaseMs: 1_000 }),
    ),
  );
  expect(answers.filter(({ state }) => state === 'claimed-now')).toHaveLength(1);
  expect(answers.filter(({ state }) => state === 'claimed')).toHaveLength(59);
});

test('operations of one turn take effect in the order of their calls', async () => {
  const store = scene.open();
  const answers = await Promise.all([
    store.find('k'),
    store.claim('k', LEASE),
    store.release('k', 'a'),
    store.claim('k', { token: 'b', leaseMs: 1_000 }),
    store.complete('k', 'b', 1_000),
    store.find('k'),
  ]);
  expect(answers).toMatchObject([
    { state: 'free' },
    { state: 'claimed-now' },
    true,
    { state: 'claimed-now' },
    true,
    { state: 'done' },
  ]);
});

test('operations of one turn are one commit, also when they are more than fit into one transaction', async () => {
  const store = scene.open();
  await store.claim('first', LEASE);
  const before = statSync(`${scene.path}-wal`).size;
  const keys = (count: number, name: string) =>
    Array.from({ length: count }, (_, index) => `${name}${index}`);
  await Promise.all(keys(100, 'x').map((key) => store.claim(key, LEASE)));
  // Each commit writes at least the two pages that it changes; these keys fill less than ten.
  expect(statSync(`${scene.path}-wal`).size - before).toBeLessThan(20 * 4_200);
  const answers = await Promise.all(keys(2_500, 'y').map((key) => store.claim(key, LEASE)));
  expect(answers.filter(({ state }) => state === 'claimed-now')).toHaveLength(2_500);
});

test('keys of the same hash are kept apart', async () => {
  const store = scene.open();
  await store.claim('costarring', LEASE);
  expect(await store.find('liquid')).toEqual({ state: 'free' });
  await store.claim('liquid', { token: 'b', leaseMs: 1_000 });
  await store.complete('liquid', 'b', 1_000);
  expect(await store.find('costarring')).toMatchObject({ state: 'claimed' });
  await store.release('costarring', 'a');
  expect(await store.find('liquid')).toMatchObject({ state: 'done' });
  await store.claim('costarring', LEASE);
  expect(scene.rows('SELECT count(DISTINCT hash), count(*) FROM entry')).toEqual([[1, 2]]);
});

test('done keys whose time has passed are deleted a few per claim; unknown ones are kept', async () => {
  const store = scene.open();
  const keys = Array.from({ length: 50 }, (_, index) => `old${index}`);
  await Promise.all(keys.map((key) => store.claim(key, LEASE)));
  await Promise.all(keys.map((key) => store.complete(key, 'a', 1_000)));
  await store.claim('died', LEASE);
  await store.claim('kept', LEASE);
  await store.complete('kept', 'a', 1_000_000);
  scene.pass(1_000);
  await store.find('new');
  expect(scene.rows('SELECT count(*) FROM entry')).toEqual([[52]]);
  await store.claim('new0', LEASE);
  expect(scene.rows('SELECT count(*) FROM entry')).toEqual([[50]]);
  await Promise.all(Array.from({ length: 20 }, (_, index) => store.claim(`newer${index}`, LEASE)));
  const left = scene.rows('SELECT key FROM entry').map(([key]) => String(key));
  expect(left.filter((key) => key.startsWith('old'))).toEqual([]);
  expect(left).toEqual(expect.arrayContaining(['died', 'kept', 'new0', 'newer19']));
});

test('texts and times that cannot be are refused, and their neighbours are not', async () => {
  const store = scene.open();
  const answers = await Promise.allSettled([
    store.claim('', LEASE),
    store.claim('k', { token: '', leaseMs: 1 }),
    store.claim('k', { token: 'a', leaseMs: Number.NaN }),
    store.claim('k', { token: 'a', leaseMs: -1 }),
    store.claim('k', { token: 'a', leaseMs: 1, note: '\0' }),
    store.claim('ключ ✓', LEASE),
    store.renew('k', 'a', Number.NaN),
    store.complete('k', 'a', -1),
    store.release('k', '\0'),
    store.find(''),
  ]);
  const outcomes = answers.map((answer) =>
    answer.status === 'rejected' ? answer.reason.code : answer.value,
  );
  expect(outcomes.filter((outcome) => outcome === 'usage')).toHaveLength(9);
  expect(outcomes[5]).toEqual({ state: 'claimed-now' });
  expect(scene.rows('SELECT key FROM entry')).toEqual([['ключ ✓']]);
});

test('any text can be a key, and none is taken for another', async () => {
  const store = scene.open();
  const keys = [
    'k\0a',
    'k\0b',
    'k',
    'k\ud800',
    'k\ud801',
    'k\ufffd',
    '"k\\u0000a"',
    '"',
    ' ',
    'x'.repeat(100_000),
  ];
  for (const [index, key] of keys.entries()) {
    expect(await store.claim(key, { ...LEASE, note: `${index}` })).toEqual({ state: 'claimed-now' });
  }
  for (const [index, key] of keys.entries())
    expect(await store.find(key)).toMatchObject({ note: `${index}` });
  for (const key of keys) expect(await store.renew(key, 'a', 2_000)).toBe(true);
  expect(await store.release('k\0a', 'a')).toBe(true);
  expect(await store.complete('k\0b', 'a', 1_000)).toBe(true);
  expect(scene.rows('SELECT count(*) FROM entry WHERE done_at IS NULL')).toEqual([[keys.length - 2]]);
});

test('an endless lease and an endless memory are fine', async () => {
  const store = scene.open();
  await store.claim('k', { token: 'a', leaseMs: Number.POSITIVE_INFINITY });
  scene.pass(1e12);
  expect(await store.find('k')).toMatchObject({ state: 'claimed' });
  await store.complete('k', 'a', Number.POSITIVE_INFINITY);
  scene.pass(1e12);
  expect(await store.find('k')).toMatchObject({ state: 'done' });
});

test('what was done is there when the file is opened again', async () => {
  const store = scene.open();
  await store.claim('k', LEASE);
  await store.complete('k', 'a', 5_000);
  await store.close();
  expect(await scene.open().find('k')).toMatchObject({ state: 'done' });
});

test('the file and its folder are for their owner only', async () => {
  const store = scene.open();
  await store.claim('k', LEASE);
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
  expect(mode(dirname(scene.path))).toBe('700');
  for (const path of [scene.path, `${scene.path}-wal`, `${scene.path}-shm`]) expect(mode(path)).toBe('600');
});

test('a file that is opened for the first time by many at once is created once', async () => {
  const stores = Array.from({ length: 8 }, () => scene.open());
  await Promise.all(stores.map((store) => store.open()));
  const database = openDatabase(scene.path);
  expect(database.prepare('PRAGMA user_version').get()).toEqual([1]);
  expect(database.prepare('PRAGMA journal_mode').get()).toEqual(['wal']);
  database.close();
});
