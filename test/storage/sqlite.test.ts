import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isBusy, sqliteCode } from '../../src/storage/errors.js';
import { asBuffer, type Database, inTransaction, openDatabase } from '../../src/storage/sqlite.js';

let folder = '';
let database: Database;
const file = () => join(folder, 'test.db');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atma-sqlite-'));
  database = openDatabase(file());
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v)');
});

afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true, force: true });
});

function failure(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('it did not throw');
}

test('values of every kind come back as they were', () => {
  const values = [null, 1, 2 ** 53 - 1, -1.5, 'text ✓', Buffer.from([0, 255, 10]), Buffer.alloc(0)];
  const insert = database.prepare('INSERT INTO t VALUES (?, ?)');
  for (const [index, value] of values.entries()) expect(insert.run(index, value)).toBe(1);
  const rows = database.prepare('SELECT id, v FROM t ORDER BY id').all();
  expect(rows.map(([id]) => id)).toEqual(values.map((_, index) => index));
  const back = rows.map(([, v]) => (v instanceof Uint8Array ? asBuffer(v) : v));
  expect(back).toEqual(values);
});

test('get gives one row by position, or nothing', () => {
  database.exec("INSERT INTO t VALUES (7, 'x')");
  const select = database.prepare('SELECT v, id FROM t WHERE id = ?');
  expect(select.get(7)).toEqual(['x', 7]);
  expect(select.get(8)).toBeUndefined();
});

test('a transaction that throws leaves nothing, and the next one works', () => {
  const insert = database.prepare('INSERT INTO t VALUES (?, ?)');
  const wrong = new Error('midway');
  expect(
    failure(() =>
      inTransaction(database, () => {
        insert.run(1, 'x');
        throw wrong;
      }),
    ),
  ).toBe(wrong);
  inTransaction(database, () => insert.run(2, 'y'));
  expect(database.prepare('SELECT id FROM t').all()).toEqual([[2]]);
});

test('a lock that another connection holds is busy, after the given wait', () => {
  const other = openDatabase(file(), { busyTimeoutMs: 30 });
  database.exec('BEGIN IMMEDIATE');
  const start = performance.now();
  const error = failure(() => inTransaction(other, () => undefined));
  expect(performance.now() - start).toBeGreaterThanOrEqual(25);
  expect(isBusy(error)).toBe(true);
  expect(error).toMatchObject({ code: 'storage' });
  database.exec('ROLLBACK');
  inTransaction(other, () => undefined);
  other.close();
});

test('reading only creates no file, and writing is refused with a hint', () => {
  expect(failure(() => openDatabase(join(folder, 'none.db'), { readonly: true }))).toMatchObject({
    code: 'storage',
  });
  const reader = openDatabase(file(), { readonly: true });
  const error = failure(() => reader.exec('INSERT INTO t VALUES (1, 1)'));
  expect(error).toMatchObject({ code: 'storage', hint: expect.stringContaining('cannot be written') });
  expect(sqliteCode(error)).toBe('SQLITE_READONLY');
  reader.close();
});

test.each([
  ['a folder', () => folder, 'must be a file'],
  ['a path in a folder that is missing', () => join(folder, 'missing', 'x.db'), 'must be a file'],
])('%s cannot be opened, and the error says what to do', (_, path, hint) => {
  expect(failure(() => openDatabase(path()).exec('CREATE TABLE x (y)'))).toMatchObject({
    code: 'storage',
    hint: expect.stringContaining(hint),
  });
});

test('a database that may not grow is full, and says that nothing confirmed is lost', () => {
  database.exec('PRAGMA max_page_count = 4');
  const error = failure(() => database.prepare('INSERT INTO t VALUES (1, ?)').run(Buffer.alloc(100_000)));
  expect(sqliteCode(error)).toBe('SQLITE_FULL');
  expect(error).toMatchObject({ hint: expect.stringContaining('Nothing was confirmed that is not on disk') });
});

test('an empty blob that was read is an empty blob when it is written again', () => {
  const insert = database.prepare('INSERT INTO t VALUES (?, ?)');
  insert.run(7, new Uint8Array(0));
  const [empty = null] = database.prepare('SELECT v FROM t WHERE id = 7').get() ?? [];
  insert.run(8, empty);
  expect(database.prepare('SELECT typeof(v) FROM t WHERE id = 8').all()).toEqual([['blob']]);
});

test('closing twice is fine', () => {
  database.close();
  database.close();
});

test('loading it prints no warning, and silences no other', () => {
  const driver = new URL('../../dist/storage/sqlite.js', import.meta.url).href;
  const program = `
    const { openDatabase } = await import(${JSON.stringify(driver)});
    openDatabase(${JSON.stringify(file())}).close();
    process.emitWarning('still heard');`;
  const { stderr } = spawnSync(process.execPath, ['--input-type=module'], {
    input: program,
    encoding: 'utf8',
  });
  expect(stderr).not.toContain('experimental');
  expect(stderr).toContain('still heard');
});
