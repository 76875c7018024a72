import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type Ledger, type NewReplay, openLedger } from '../../src/dead-letters/ledger.js';
import type { NewRow } from '../../src/dead-letters/ledger-rows.js';
import { openDatabase } from '../../src/storage/sqlite.js';

const DAY_MS = 24 * 60 * 60 * 1_000;

let path: string;
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'atma-ledger-'));
  path = join(folder, 'sub', 'replays.db');
  onTestFinished(() => rmSync(folder, { recursive: true }));
});

function open(): Ledger {
  const ledger = openLedger(path);
  onTestFinished(() => ledger.close());
  return ledger;
}

const replay = (id: string, more: Partial<NewReplay> = {}): NewReplay => ({
  id,
  broker: 'here',
  queue: 'dlq',
  target: { kind: 'queue' },
  criteria: undefined,
  limit: undefined,
  total: 10,
  startedAt: 1_000,
  ...more,
});

const hashOf = (n: number) => Buffer.alloc(16, n).toString('hex');

const rowOf = (n: number): NewRow => ({
  hash: hashOf(n),
  messageId: `m-${n}`,
  target: 'work',
  doubt: false,
});

describe('the ledger', () => {
  it('is a file for its owner only, in a folder for its owner only', () => {
    open();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600);
  });

  it('says so when the path cannot be written', () => {
    expect(() => openLedger('/dev/null/place.db')).toThrowError(expect.objectContaining({ code: 'storage' }));
  });

  it('refuses a file of a later version', () => {
    open();
    const database = openDatabase(path);
    database.exec('PRAGMA user_version = 99');
    database.close();
    expect(() => openLedger(path)).toThrowError(/newer atma-events/);
  });

  it('knows how far each message got', () => {
    const ledger = open();
    const rows = ledger.begin(replay('aaaa', { criteria: '{}', limit: 7 }));
    const first = rows.claim([1, 2, 3, 4, 5, 6].map(rowOf), [], []);
    rows.confirm([first, first + 1, first + 3]);
    rows.settle([first, first + 1]);
    rows.release([{ seq: first + 2, reason: 'unroutable' }], [first + 5]);
    expect(ledger.find('aaaa')).toEqual({
      id: 'aaaa',
      broker: 'here',
      queue: 'dlq',
      target: { kind: 'queue' },
      criteria: '{}',
      limit: 7,
      total: 10,
      startedAt: 1_000,
      state: 'running',
      claimed: 1,
      confirmed: 1,
      settled: 2,
      skipped: 1,
      missing: 0,
      possibleDuplicates: 0,
      boomeranged: 0,
    });
    expect(rows.open().map(({ seq, state }) => [seq - first, state])).toEqual([
      [3, 'confirmed'],
      [4, 'claimed'],
    ]);
    expect(rows.isSettled(hashOf(1))).toBe(true);
    expect(rows.isSettled(hashOf(4))).toBe(false);
    expect(rows.closeOpen()).toEqual({ settled: 1, missing: 1 });
    expect(ledger.find('AAAA')).toMatchObject({ settled: 3, missing: 1, claimed: 0, confirmed: 0 });
  });

  it('counts every time that something was sent although it may have arrived', () => {
    const ledger = open();
    const rows = ledger.begin(replay('aaaa'));
    const first = rows.claim([rowOf(1), { ...rowOf(2), doubt: true }], [], []);
    rows.claim([], [first], []);
    rows.claim([], [first], []);
    expect(ledger.find('aaaa')?.possibleDuplicates).toBe(3);
    // It may have arrived: that it was not sent this time does not make it unsent.
    rows.release([], [first]);
    expect(rows.open()).toHaveLength(2);
  });

  it('lets one replay of a queue be unfinished, whoever opened the file', () => {
    const [one, other] = [open(), open()];
    one.begin(replay('aaaa'));
    expect(() => other.begin(replay('bbbb'))).toThrowError(
      expect.objectContaining({ code: 'queue-locked', hint: expect.stringContaining('--resume aaaa') }),
    );
    other.begin(replay('cccc', { queue: 'other' }));
    other.begin(replay('dddd', { broker: 'there' }));
    expect(other.unfinished('here', 'dlq')?.id).toBe('aaaa');
    expect(other.unfinished('there', 'dlq')?.id).toBe('dddd');
    one.end('aaaa', 'stopped', 2);
    expect(other.unfinished('here', 'dlq')).toBeUndefined();
    other.begin(replay('bbbb'));
    expect(one.list().map(({ id, state }) => [id, state])).toEqual([
      ['bbbb', 'running'],
      ['dddd', 'running'],
      ['cccc', 'running'],
      ['aaaa', 'stopped'],
    ]);
  });

  it('gives up what is not finished, and nothing else', () => {
    const ledger = open();
    ledger.begin(replay('aaaa'));
    expect(ledger.abandon('aaaa')).toBe(true);
    expect(ledger.abandon('aaaa')).toBe(false);
    expect(ledger.abandon('nope')).toBe(false);
    ledger.begin(replay('bbbb'));
    ledger.end('bbbb', 'finished', 0);
    expect(ledger.abandon('bbbb')).toBe(false);
  });

  it('hands what an abandoned replay had confirmed to the next of its queue, and knows what it had claimed', () => {
    const ledger = open();
    const abandoned = ledger.begin(replay('aaaa'));
    const first = abandoned.claim([1, 2, 3].map(rowOf), [], []);
    abandoned.confirm([first]);
    abandoned.settle([first]);
    abandoned.confirm([first + 1]);
    ledger.abandon('aaaa');
    expect(ledger.begin(replay('other', { queue: 'other' })).open()).toEqual([]);
    const next = ledger.begin(replay('bbbb'));
    expect(next.open().map(({ hash, state }) => [hash, state])).toEqual([[hashOf(2), 'confirmed']]);
    expect(next.claim([rowOf(4), rowOf(3)], [], [])).toBe(2);
    // Claimed by both: whether the first sent it is what nobody knows.
    expect(ledger.find('bbbb')).toMatchObject({ claimed: 2, possibleDuplicates: 1 });
    expect(ledger.find('aaaa')).toMatchObject({ settled: 1, claimed: 0, confirmed: 0, missing: 1 });
  });

  it('forgets what was skipped when a replay goes on, but not that it may have been sent', () => {
    const ledger = open();
    const rows = ledger.begin(replay('aaaa'));
    const first = rows.claim([rowOf(1)], [], [{ hash: hashOf(9), messageId: 'x', reason: 'no-target' }]);
    rows.claim([], [first], []);
    rows.release([{ seq: first, reason: 'publish-refused' }], []);
    ledger.end('aaaa', 'stopped', 0);
    const again = ledger.reopen('aaaa');
    expect(again.open()).toEqual([{ seq: first, hash: hashOf(1), state: 'claimed' }]);
    expect(ledger.find('aaaa')).toMatchObject({ state: 'running', skipped: 0, possibleDuplicates: 1 });
  });

  it('forgets replays after 30 days, except those that are not finished', () => {
    const ledger = open();
    ledger.begin(replay('aaaa')).claim([rowOf(1)], [], []);
    ledger.end('aaaa', 'finished', 0);
    ledger.begin(replay('bbbb', { queue: 'other' })).claim([rowOf(2)], [], []);
    ledger.begin(replay('cccc', { startedAt: 1_000 + 31 * DAY_MS }));
    expect(ledger.list().map(({ id, claimed }) => [id, claimed])).toEqual([
      ['cccc', 0],
      ['bbbb', 1],
    ]);
  });
});
