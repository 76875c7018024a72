import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import type { OutgoingMessage } from '../../src/core/message.js';
import { isFileLocked } from '../../src/storage/file-lock.js';
import { type FileOutboxStore, openOutboxStore } from '../../src/storage/outbox-store.js';
import { rangesOf } from '../../src/storage/outbox-table.js';
import { openDatabase } from '../../src/storage/sqlite.js';
import { eventually, within } from '../await.js';
import { outboxPath } from '../core/publishing/outbox-scene.js';
import { killLeftovers, runProgram } from '../transports/embedded/child.js';

const HOLD = new URL('./programs/hold-outbox.mjs', import.meta.url).href;

afterEach(killLeftovers);

function open(path = outboxPath(), now = Date.now): FileOutboxStore {
  const store = openOutboxStore(path, { now });
  onTestFinished(() => store.close());
  return store;
}

const message = (body: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage => ({
  exchange: 'x',
  routingKey: 'k',
  body: Buffer.from(body),
  properties: { messageId: body },
  ...more,
});

async function bodiesIn(store: FileOutboxStore, after = 0, limit = 100): Promise<string[]> {
  return (await store.read(after, limit)).map(({ message: { body } }) => body.toString());
}

test('gives back what was appended, in order, also to the next one who opens it', async () => {
  const path = outboxPath();
  const store = open(path);
  await Promise.all(['a', 'b', 'c'].map((body) => store.append(message(body))));
  expect(await bodiesIn(store)).toEqual(['a', 'b', 'c']);
  await store.close();
  const again = open(path);
  expect(again.state()).toMatchObject({ waiting: 3 });
  await again.append(message('d'));
  expect(await bodiesIn(again)).toEqual(['a', 'b', 'c', 'd']);
});

test('reads behind an id, at most so many, and forgets what is removed', async () => {
  const store = open();
  await Promise.all(['a', 'b', 'c', 'd'].map((body) => store.append(message(body))));
  const [first, second] = await store.read(0, 2);
  expect(await bodiesIn(store, first?.id, 2)).toEqual(['b', 'c']);
  await store.remove([second?.id ?? 0]);
  await store.remove([second?.id ?? 0, 999]);
  expect(await bodiesIn(store)).toEqual(['a', 'c', 'd']);
  expect(store.state().waiting).toBe(3);
});

test('an id is never given twice by one store, also when all was removed', async () => {
  const store = open();
  await store.append(message('a'));
  const [first] = await store.read(0, 1);
  await store.remove([first?.id ?? 0]);
  await store.append(message('b'));
  expect(await bodiesIn(store, first?.id)).toEqual(['b']);
});

test('tells how many wait, and since when the oldest does', async () => {
  let time = 1_000;
  const store = open(outboxPath(), () => time);
  expect(store.state()).toEqual({ waiting: 0, oldestAt: undefined });
  await store.append(message('a'));
  time = 2_000;
  await store.append(message('b'));
  expect(store.state()).toEqual({ waiting: 2, oldestAt: 1_000 });
  await store.remove([(await store.read(0, 1))[0]?.id ?? 0]);
  expect(store.state()).toEqual({ waiting: 1, oldestAt: 2_000 });
});

test.each<[string, Partial<OutgoingMessage>]>([
  ['nothing but a body', { properties: {} }],
  ['an empty body', { body: Buffer.alloc(0) }],
  ['bytes that are no text', { body: Buffer.from([0, 255, 254, 0]) }],
  ['mandatory false', { mandatory: false }],
  ['names with NUL and a lone surrogate', { exchange: 'x\0y', routingKey: 'k\ud800' }],
  ['typed headers', { properties: { headers: { n: { '!': 'int64', value: '9007199254740993' } } } }],
  ['headers that JSON would change', { properties: { headers: { zero: -0, none: Number.NaN } } }],
  [
    'all properties',
    { properties: { priority: 3, expiration: '60000', timestamp: 5, headers: { a: [1, null] } } },
  ],
])('a message comes back as it was: %s', async (_, more) => {
  const store = open();
  const sent = message('m', more);
  await store.append(sent);
  expect((await store.read(0, 1))[0]?.message).toStrictEqual(sent);
});

test('what is no data is refused by itself: its neighbours are kept', async () => {
  const store = open();
  const headers = { f: () => 1 } as unknown as NonNullable<OutgoingMessage['properties']['headers']>;
  const before = store.append(message('a'));
  const refused = store.append(message('b', { properties: { headers } }));
  const after = store.append(message('c'));
  await expect(refused).rejects.toMatchObject({ code: 'publish-refused' });
  await Promise.all([before, after]);
  expect(await bodiesIn(store)).toEqual(['a', 'c']);
});

test('large messages are read a few at a time, and at least one', async () => {
  const store = open();
  const large = 'x'.repeat(5 * 1024 * 1024);
  for (let n = 0; n < 3; n++) await store.append(message(large));
  await store.append(message('x'.repeat(9 * 1024 * 1024)));
  await store.append(message('small'));
  const sizes: number[][] = [];
  for (let after = 0; ; ) {
    const found = await store.read(after, 100);
    if (found.length === 0) break;
    sizes.push(found.map(({ message: { body } }) => Math.round(body.length / 1024 / 1024)));
    after = found.at(-1)?.id ?? 0;
  }
  expect(sizes).toEqual([[5], [5], [5], [9], [0]]);
});

test('thousands in one turn are committed in groups, and all in order', async () => {
  const store = open();
  const bodies = Array.from({ length: 2_500 }, (_, n) => `m${n}`);
  await Promise.all(bodies.map((body) => store.append(message(body))));
  expect(await bodiesIn(store, 0, 5_000)).toEqual(bodies);
});

test('the file and its lock are for their owner only', async () => {
  const path = outboxPath();
  open(path);
  for (const file of [path, `${path}-lock`]) expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
});

const IN_USE = {
  code: 'usage',
  message: expect.stringMatching(/^Another process has the outbox .*outbox\.db$/),
  hint: expect.stringContaining('each its own file'),
};

test('a second opener is refused, in this process too, and the first one keeps the file', async () => {
  const path = outboxPath();
  const store = open(path);
  expect(() => openOutboxStore(path)).toThrow(expect.objectContaining(IN_USE));
  const other = runProgram(HOLD, path);
  expect(await other.printed('usage')).toMatch(/^usage Another process has the outbox /);
  await store.append(message('a'));
  expect(await bodiesIn(store)).toEqual(['a']);
  await store.close();
  expect(isFileLocked(path)).toBe(false);
});

test('another process has it until it is killed, and then what it left is there', async () => {
  const path = outboxPath();
  const other = runProgram(HOLD, path);
  await other.printed('appended');
  expect(isFileLocked(path)).toBe(true);
  expect(() => openOutboxStore(path)).toThrow(expect.objectContaining(IN_USE));
  await other.kill();
  const store = await eventually('the lock is free', () => open(path));
  expect(await bodiesIn(store)).toEqual(['left behind']);
});

test('who looks into the file holds nothing up for good', async () => {
  const path = outboxPath();
  const store = open(path);
  const other = openDatabase(path);
  other.exec('BEGIN IMMEDIATE');
  const appended = store.append(message('a'));
  expect(await bodiesIn(store)).toEqual([]);
  other.close();
  await within('it is appended', appended);
  expect(await bodiesIn(store)).toEqual(['a']);
});

test('close finishes what was asked before, and refuses what comes later', async () => {
  const path = outboxPath();
  const store = open(path);
  const appended = store.append(message('a'));
  const closing = store.close();
  await expect(store.append(message('b'))).rejects.toMatchObject({ code: 'closed' });
  await Promise.all([appended, closing, store.close()]);
  await expect(store.read(0, 1)).rejects.toMatchObject({ code: 'closed' });
  await expect(store.remove([1])).rejects.toMatchObject({ code: 'closed' });
  expect(existsSync(`${path}-wal`)).toBe(false);
  expect(await bodiesIn(open(path))).toEqual(['a']);
});

test.each([
  ['a database of another program', (path: string) => createDatabase(path)],
  ['a text file', (path: string) => writeFileSync(path, 'notes '.repeat(1_000))],
])('%s is refused and left alone', (_, create) => {
  const path = outboxPath();
  mkdirSync(dirname(path));
  create(path);
  const before = readFileSync(path);
  expect(() => openOutboxStore(path)).toThrow(
    expect.objectContaining({ code: 'storage', hint: expect.stringContaining('path') }),
  );
  expect(readFileSync(path)).toEqual(before);
  expect(existsSync(`${path}-lock`)).toBe(false);
});

test('ids become ranges, whatever their order', () => {
  expect(rangesOf([])).toEqual([]);
  expect(rangesOf([3, 1, 2, 7, 9, 8, 5])).toEqual([
    [1, 3],
    [5, 5],
    [7, 9],
  ]);
});

function createDatabase(path: string): void {
  const other = openDatabase(path);
  other.exec('CREATE TABLE theirs (x)');
  other.close();
}
