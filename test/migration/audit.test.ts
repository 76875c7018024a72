/** The audit trail: what it tells, and what was done to it by somebody who can write to it. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readAudit, recordProposal, verifyAudit } from '../../src/migration/audit.js';
import { canonical, hashOf, NO_ENTRY } from '../../src/migration/audit-chain.js';
import { fileHash } from '../../src/migration/flag-document.js';
import { type Database, openDatabase } from '../../src/storage/sqlite.js';
import { at, BEGUN, byHand, type FlagScene, flagScene } from './flag-scene.js';

/** Three moves and a proposal. */
async function scene(): Promise<FlagScene> {
  const flag = flagScene();
  await flag.move(at('publish'));
  await flag.move(at('shadow'), { reason: 'callbacks and events agree in staging', samplePercent: 20 });
  await flag.move(at('live', 25), {
    by: 'budi',
    forced: true,
    evidence: { verdict: 'SAFE', legs: 4_000 },
    rollout: 'r1',
  });
  recordProposal(flag.request(at('live', 50), { reason: 'half of them' }));
  return flag;
}

/** What somebody does who has the file. */
function tamper(flag: FlagScene, work: (database: Database) => void): void {
  const database = openDatabase(`${flag.file}.audit.db`);
  try {
    database.exec('DROP TRIGGER entry_stays; DROP TRIGGER entry_keeps');
    work(database);
  } finally {
    database.close();
  }
}

const rowsOf = (database: Database) =>
  database
    .prepare('SELECT seq, text FROM entry ORDER BY seq')
    .all()
    .map(([seq, text]) => ({ seq: Number(seq), text: JSON.parse(String(text)) }));

/** Makes all hashes anew from the entry on, as somebody would who knows how they are made. */
function rehash(database: Database, from: number): void {
  let previous: unknown = NO_ENTRY;
  for (const { seq, text } of rowsOf(database)) {
    if (seq >= from) {
      const made = canonical({ ...text, seq, previous });
      database.prepare('UPDATE entry SET text = ?, hash = ? WHERE seq = ?').run(made, hashOf(made), seq);
    }
    previous = database.prepare('SELECT hash FROM entry WHERE seq = ?').get(seq)?.[0];
  }
}

function setField(database: Database, seq: number, field: string, value: string): void {
  const path = `$.${field}`;
  database.prepare('UPDATE entry SET text = json_set(text, ?, ?) WHERE seq = ?').run(path, value, seq);
}

describe('the audit trail', () => {
  test('tells who, when, from where to where and why, and what each file was', async () => {
    const flag = await scene();
    const entries = readAudit(flag.file);
    expect(entries.map(({ action }) => action)).toEqual(['done', 'done', 'done', 'proposal']);
    expect(entries[1]).toMatchObject({
      at: expect.stringMatching(/^2026-03-01T02:00:\d\d\.000Z$/),
      by: 'rina on laptop',
      action: 'done',
      from: { stage: 'publish', percent: 100 },
      to: { stage: 'shadow', percent: 100 },
      epoch: 2,
      reason: 'callbacks and events agree in staging',
      forced: false,
      rollout: null,
      evidence: null,
      fileBefore: entries[0]?.fileAfter,
      settled: true,
    });
    expect(entries[2]).toMatchObject({
      by: 'budi',
      to: { stage: 'live', percent: 25 },
      epoch: 3,
      forced: true,
      rollout: 'r1',
      evidence: { verdict: 'SAFE', legs: 4_000 },
      fileAfter: fileHash(Buffer.from(flag.text())),
      hash: JSON.parse(flag.text()).flags['migration-stage'].metadata.audit,
    });
    expect(entries[3]).toMatchObject({
      by: 'rina on laptop',
      action: 'proposal',
      from: { stage: 'live', percent: 25 },
      to: { stage: 'live', percent: 50 },
      epoch: 4,
      reason: 'half of them',
      fileBefore: entries[2]?.fileAfter,
      fileAfter: null,
    });
  });

  test('that nobody touched holds together', async () => {
    const flag = await scene();
    expect(verifyAudit(flag.file)).toEqual({ entries: 4, rows: 7, problems: [], notes: [] });
  });

  test('is for its owner only, and there is none before the first move', async () => {
    const flag = flagScene();
    expect([readAudit(flag.file), verifyAudit(flag.file)]).toEqual([
      [],
      { entries: 0, rows: 0, problems: [], notes: [] },
    ]);
    expect(existsSync(`${flag.file}.audit.db`)).toBe(false);
    await flag.move(at('publish'));
    expect(statSync(`${flag.file}.audit.db`).mode & 0o777).toBe(0o600);
  });

  test('refuses to have an entry changed or deleted by a slip', async () => {
    const flag = await scene();
    const database = openDatabase(`${flag.file}.audit.db`);
    expect(() => database.exec('DELETE FROM entry')).toThrow(/entries of the audit trail stay/);
    expect(() => database.exec("UPDATE entry SET text = ''")).toThrow(/entries of the audit trail stay/);
    database.close();
    expect(verifyAudit(flag.file).problems).toEqual([]);
  });

  test('is one, whichever name the flag file is called by', async () => {
    const flag = await scene();
    const link = join(flag.folder, 'link.json');
    symlinkSync('flags.json', link);
    expect(readAudit(link)).toEqual(readAudit(flag.file));
    await flag.move(at('shadow'), { file: link });
    expect([readAudit(flag.file).length, verifyAudit(flag.file).problems]).toEqual([5, []]);
    expect(existsSync(`${link}.audit.db`)).toBe(false);
  });

  test('keeps texts as one line without controls, and as many characters as it says', async () => {
    const flag = flagScene();
    await flag.move(at('publish'), {
      by: `a\u0000b\u001b[2J`,
      reason: `one\ntwo\u202e ${'😀'.repeat(2_000)}`,
    });
    const [entry] = readAudit(flag.file);
    expect(entry?.by).toBe('a b [2J');
    expect(entry?.reason).toMatch(/^one two 😀+…$/u);
    expect(Array.from(entry?.reason ?? '')).toHaveLength(1_000);
    expect(verifyAudit(flag.file).problems).toEqual([]);
  });
});

describe('a proposal', () => {
  test('about a state that is no more is refused with who moved it, and creates no trail where there is none', async () => {
    const flag = await scene();
    expect(() => recordProposal(flag.request(at('live', 50), { expected: null }))).toThrow(
      expect.objectContaining({
        code: 'flag-moved',
        message: expect.stringContaining('to live at 25 % by budi'),
      }),
    );
    const none = flagScene();
    expect(() => recordProposal(none.request(at('publish'), { by: ' ' }))).toThrow(
      expect.objectContaining({ code: 'usage' }),
    );
    expect(existsSync(`${none.file}.audit.db`)).toBe(false);
  });

  test('leaves the flag file alone', async () => {
    const flag = await scene();
    const before = flag.text();
    recordProposal(flag.request(at('live', 50)));
    expect(flag.text()).toBe(before);
  });
});

// The rows: 1 move, 2 done, 3 move, 4 done, 5 move, 6 done, 7 proposal.
describe('verifying finds', () => {
  test.each<readonly [string, (database: Database) => void, RegExp]>([
    ['an altered reason', (db) => setField(db, 3, 'reason', 'x'), /^Entry 3 was altered/],
    ['an altered name in the last entry', (db) => setField(db, 7, 'by', 'x'), /^Entry 7 was altered/],
    [
      'a text that is no JSON',
      (db) => db.exec("UPDATE entry SET text = 'x' WHERE seq = 3"),
      /^Entry 3 was altered/,
    ],
    [
      'an altered reason, with the hash of this entry alone made anew',
      (db) => {
        setField(db, 3, 'reason', 'x');
        const [text] = db.prepare('SELECT text FROM entry WHERE seq = 3').get() ?? [];
        db.prepare('UPDATE entry SET hash = ? WHERE seq = 3').run(hashOf(String(text)));
      },
      /^Entry 4 does not follow entry 3/,
    ],
    [
      'an altered file hash of a move',
      (db) => db.exec(`UPDATE entry SET file_after = '${'0'.repeat(64)}' WHERE seq = 3`),
      /^Entry 4 does not fit the move that it ends, entry 3/,
    ],
    ['a removed entry', (db) => db.exec('DELETE FROM entry WHERE seq = 3'), /^Entry 3 was removed/],
    [
      'removed first ones',
      (db) => db.exec('DELETE FROM entry WHERE seq <= 2'),
      /^Entries 1 to 2 were removed/,
    ],
    ['the last one removed', (db) => db.exec('DELETE FROM entry WHERE seq = 7'), /^Entry 7 was removed/],
    [
      'the last move removed',
      (db) => db.exec('DELETE FROM entry WHERE seq >= 5'),
      /^Entries 5 to 7 were removed/,
    ],
    [
      'the last move removed, and the number of entries set back',
      (db) => db.exec('DELETE FROM entry WHERE seq >= 5; UPDATE sqlite_sequence SET seq = 4'),
      /^The flag file names an entry that is not in the trail/,
    ],
    [
      'all of it removed, and the number of entries, too',
      (db) => db.exec('DELETE FROM entry; DELETE FROM sqlite_sequence'),
      /^The flag file names an entry that is not in the trail/,
    ],
    [
      'swapped entries',
      (db) =>
        db.exec(
          'UPDATE entry SET seq = -seq; UPDATE entry SET seq = CASE seq WHEN -3 THEN 5 WHEN -5 THEN 3 ELSE -seq END',
        ),
      /^Entry 3 was altered/,
    ],
    [
      'one removed and the numbers closed up',
      (db) => db.exec('DELETE FROM entry WHERE seq = 3; UPDATE entry SET seq = seq - 1 WHERE seq > 3'),
      /^Entry 3 was altered/,
    ],
    [
      'an altered reason, with all hashes after it made anew',
      (db) => {
        setField(db, 3, 'reason', 'x');
        rehash(db, 3);
      },
      /^The flag file names an entry that is not in the trail/,
    ],
    [
      'another who in the last move, with its hash made anew',
      (db) => {
        setField(db, 5, 'by', 'nobody');
        rehash(db, 5);
      },
      /^The flag file names an entry that is not in the trail/,
    ],
    [
      'a move removed, with all after it made anew',
      (db) => {
        db.exec('DELETE FROM entry WHERE seq IN (3, 4); UPDATE entry SET seq = seq - 2 WHERE seq > 4');
        db.exec('UPDATE sqlite_sequence SET seq = 5');
        rehash(db, 3);
      },
      /^The flag file names an entry that is not in the trail/,
    ],
    [
      'an end without its move',
      (db) => {
        db.exec('DELETE FROM entry WHERE seq = 7; UPDATE sqlite_sequence SET seq = 6');
        db.exec(
          'UPDATE entry SET seq = 7 WHERE seq = 6; INSERT INTO entry SELECT 6, text, hash, file_after FROM entry WHERE seq = 7',
        );
      },
      /^Entry 6 ends a move that is not there/,
    ],
  ])('%s', async (_, change, problem) => {
    const flag = await scene();
    tamper(flag, change);
    expect(verifyAudit(flag.file).problems).toContainEqual(expect.stringMatching(problem));
    readAudit(flag.file); // what is left can be shown
  });

  test.each<readonly [string, (flag: FlagScene) => void, RegExp]>([
    [
      'edited',
      (flag) => flag.write(flag.text().replace('as planned', 'as ordered')),
      /^The flag file was edited by hand after entry 5 \(.*, budi\)/,
    ],
    ['written anew by hand', (flag) => flag.write(byHand('shadow')), /^The flag file was edited by hand/],
    ['broken', (flag) => flag.write('{'), /^The flag file cannot be used: .* is not JSON/],
    ['deleted', (flag) => rmSync(flag.file), /^The flag file is gone; entry 5/],
  ])('a flag file that was %s', async (_, change, problem) => {
    const flag = await scene();
    change(flag);
    expect(verifyAudit(flag.file).problems).toEqual([expect.stringMatching(problem)]);
    expect(readAudit(flag.file)).toHaveLength(4);
  });

  test('an older flag file that was put back', async () => {
    const flag = await scene();
    const older = flag.text();
    await flag.move(at('live'));
    flag.write(older);
    expect(verifyAudit(flag.file).problems).toEqual([
      expect.stringMatching(/^The flag file is that of entry 5, put back by hand: entry 8 /),
    ]);
  });

  test('a flag file that was written by hand before any move; after a move that is a note', async () => {
    const flag = flagScene();
    flag.write(byHand('shadow'));
    expect(verifyAudit(flag.file).problems).toEqual([
      expect.stringMatching(/written by hand: no entry tells of it/),
    ]);
    await flag.move(at('live'));
    expect(verifyAudit(flag.file)).toEqual({
      entries: 1,
      rows: 2,
      problems: [],
      notes: [expect.stringMatching(/^Entry 1 \(.*\) found a flag file that had been changed by hand/)],
    });
  });

  test('a trail that begins after the moves that the flag file counts', async () => {
    const flag = await scene();
    rmSync(`${flag.file}.audit.db`);
    await flag.move(at('live', 50));
    expect(verifyAudit(flag.file).problems).toEqual([
      'Entry 1 begins epoch 4: the trail of the moves before it is not there.',
    ]);
  });

  test('the trail of another flag file', async () => {
    const [flag, other] = [await scene(), flagScene()];
    await other.move(at('publish'), { by: 'somebody else' });
    copyFileSync(`${flag.file}.audit.db`, `${other.file}.audit.db`);
    expect(verifyAudit(other.file).problems).toEqual([
      expect.stringMatching(/^The flag file names an entry that is not in the trail/),
    ]);
  });
});

describe('a trail that cannot be used', () => {
  test('is a storage error with what to do, and the flag stays', async () => {
    const flag = await scene();
    const before = flag.text();
    rmSync(`${flag.file}.audit.db`);
    mkdirSync(`${flag.file}.audit.db`);
    await expect(flag.move(at('live'))).rejects.toMatchObject({ code: 'storage', hint: expect.any(String) });
    expect(flag.text()).toBe(before);
  });

  test('with a last entry that is damaged takes no more, and says to keep it', async () => {
    const flag = await scene();
    const before = flag.text();
    tamper(flag, (database) => database.exec("UPDATE entry SET text = 'x' WHERE seq = 7"));
    await expect(flag.move(at('live'))).rejects.toMatchObject({
      code: 'storage',
      message: expect.stringContaining('damaged'),
      hint: expect.stringContaining('keep it'),
    });
    expect(flag.text()).toBe(before);
  });

  test('because it is something else is left alone', async () => {
    const flag = flagScene();
    const other = openDatabase(`${flag.file}.audit.db`);
    other.exec('CREATE TABLE notes (text TEXT)');
    other.close();
    const before = readFileSync(`${flag.file}.audit.db`);
    await expect(flag.move(at('publish'))).rejects.toMatchObject({ code: 'storage' });
    expect(readFileSync(`${flag.file}.audit.db`)).toEqual(before);
    expect(existsSync(flag.file)).toBe(false);
  });
});

test('times are those of whoever moves', async () => {
  const flag = flagScene();
  await flag.move(at('publish'), { now: () => BEGUN });
  expect(readAudit(flag.file)[0]?.at).toBe('2026-03-01T02:00:00.000Z');
});
