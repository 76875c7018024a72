/**
 * Where tracks go that memory has no room for: one SQLite file. Kept, it is also what a run continues from after a
 * restart; everything since the last `commit` is one transaction, so that it is there as a whole or not at all.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openOwnFile } from '../storage/own-file.js';
import { type Database, openDatabase, type SqlRow } from '../storage/sqlite.js';
import { createKeyIndex } from './key-index.js';
import { hashOf } from './values.js';

export interface SpilledTrack {
  /** Names job and consumer; the text holds no NUL character. */
  readonly key: string;
  readonly due: number;
  readonly seq: number;
  /** Whether legs of it are open. */
  readonly open: boolean;
  readonly text: string;
}

export interface Spill {
  put(tracks: Iterable<SpilledTrack>): void;
  /** The track, which is then no longer here. */
  take(key: string): SpilledTrack | undefined;
  /** The open ones that are due first, at most `limit`, in order; they are then no longer here. */
  takeDue(until: number, limit: number): readonly SpilledTrack[];
  /** When the first open one is due; infinite without any. */
  nextDue(): number;
  /** Deletes most of those without open legs that were due by then; what is left is deleted another time. */
  forget(until: number): void;
  /** Every open one, to be looked at; nothing changes. */
  eachOpen(): Iterable<SpilledTrack>;
  /** What `writeState` wrote last. */
  readState(): string | undefined;
  writeState(state: string): void;
  /** Makes all of it last. */
  commit(): void;
  /** What was not committed is gone. Idempotent. */
  close(): void;
}

/** Its tables, for a database that holds more. */
export const SPILL_TABLES = `
CREATE TABLE tracks (row INTEGER PRIMARY KEY, key TEXT NOT NULL, due REAL NOT NULL, seq INTEGER NOT NULL,
  open INTEGER NOT NULL, text TEXT NOT NULL);
CREATE INDEX tracks_due ON tracks (due, seq) WHERE open = 1;
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), text TEXT NOT NULL);
`;

const FILE = {
  kind: 'the matching state of a comparison',
  applicationId: 0x41455348, // "AESH"
  version: 1,
  tables: SPILL_TABLES,
  pageSize: 4_096,
  otherPathHint: 'Give another path for the shadow run.',
};
/** Kilobytes of pages in memory: they count toward the memory that is promised. */
const CACHE_KB = 8_192;

/** Opens or creates a spill that lasts (mode 0600). Throws `storage`. One process at a time. */
export function openSpill(path: string): Spill {
  const database = openOwnFile(path, FILE);
  database.exec('PRAGMA synchronous = FULL');
  return spillIn(database, () => database.close());
}

/** A spill in a temporary folder that goes with it. Throws `storage`. */
export function scratchSpill(): Spill {
  const folder = mkdtempSync(join(tmpdir(), 'atma-events-shadow-'));
  const release = () => rmSync(folder, { recursive: true, force: true });
  try {
    const path = join(folder, 'spill.db');
    writeFileSync(path, '', { mode: 0o600 });
    const database = openDatabase(path);
    // Nobody reads it after a crash, and nothing is rolled back: new pages go to the file once, without a journal.
    database.exec('PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY');
    database.exec(SPILL_TABLES);
    vanish(release);
    return spillIn(database, () => {
      database.close();
      release();
    });
  } catch (error) {
    release();
    throw error;
  }
}

/** Without a name the file goes with its process, also when that is killed. */
function vanish(release: () => void): void {
  try {
    release();
  } catch {
    // Windows does not delete what is open: there it goes when it is closed.
  }
}

/**
 * A spill in a database that has its tables. Begins a transaction, and another with each `commit`: whatever else is
 * written to the database becomes durable with it. `release` closes the database.
 */
export function spillIn(database: Database, release: () => void): Spill {
  database.exec(`PRAGMA cache_size = -${CACHE_KB}`);
  const columns = 'row, key, due, seq, open, text';
  const insert = database.prepare(`INSERT INTO tracks (${columns}) VALUES (?, ?, ?, ?, ?, ?)`);
  const remove = database.prepare('DELETE FROM tracks WHERE row = ?');
  const find = database.prepare(`SELECT ${columns} FROM tracks WHERE row = ?`);
  const due = database.prepare(
    `SELECT ${columns} FROM tracks WHERE open = 1 AND due <= ? ORDER BY due, seq LIMIT ?`,
  );
  const first = database.prepare('SELECT min(due) AS due FROM tracks WHERE open = 1');
  const oldest = database.prepare(
    'SELECT row, key, open, due FROM tracks WHERE row > ? ORDER BY row LIMIT 1000',
  );
  const removeOld = database.prepare(
    'DELETE FROM tracks WHERE row BETWEEN ? AND ? AND open = 0 AND due <= ?',
  );
  const after = database.prepare(
    `SELECT ${columns} FROM tracks WHERE open = 1 AND (due, seq) > (?, ?) ORDER BY due, seq LIMIT 500`,
  );
  const keys = database.prepare('SELECT row, key FROM tracks WHERE row > ? ORDER BY row LIMIT 10000');
  const read = database.prepare('SELECT text FROM state');
  const write = database.prepare('INSERT OR REPLACE INTO state (one, text) VALUES (1, ?)');
  const index = createKeyIndex();
  let lastRow = 0;
  for (let rows = keys.all(0); rows.length > 0; rows = keys.all(lastRow)) {
    for (const [row, key] of rows) {
      lastRow = Number(row);
      index.add(hashOf(String(key)), lastRow);
    }
  }
  const removeRow = (row: number, key: string) => {
    remove.run(row);
    index.remove(hashOf(key), row);
  };
  let closed = false;
  database.exec('BEGIN IMMEDIATE');
  return {
    put(tracks) {
      for (const { key, due: at, seq, open, text } of tracks) {
        // Rows only grow, so that the file is written from front to back.
        insert.run(++lastRow, key, sqlTime(at), seq, open ? 1 : 0, text);
        index.add(hashOf(key), lastRow);
      }
    },
    take(key) {
      for (const row of index.rows(hashOf(key))) {
        const found = find.get(row);
        if (found === undefined || found[1] !== key) continue;
        removeRow(row, key);
        return trackOf(found);
      }
      return undefined;
    },
    takeDue(until, limit) {
      const rows = due.all(sqlTime(until), limit);
      for (const [row, key] of rows) removeRow(Number(row), String(key));
      return rows.map(trackOf);
    },
    nextDue() {
      const at = first.get()?.[0];
      return typeof at === 'number' ? at : Number.POSITIVE_INFINITY;
    },
    forget(until) {
      for (let from = 0; ; ) {
        const rows = oldest.all(from);
        const old = rows.filter(([, , open, at]) => open === 0 && Number(at) <= sqlTime(until));
        // They were written about in the order in which they are forgotten: behind these there are hardly any.
        if (old.length === 0) return;
        for (const [row, key] of old) index.remove(hashOf(String(key)), Number(row));
        const to = Number(rows.at(-1)?.[0]);
        removeOld.run(from, to, sqlTime(until));
        from = to;
      }
    },
    *eachOpen() {
      let from: [number, number] = [-Number.MAX_VALUE, 0];
      for (;;) {
        const tracks = after.all(...from).map(trackOf);
        yield* tracks;
        const last = tracks.at(-1);
        if (last === undefined) return;
        from = [last.due, last.seq];
      }
    },
    readState() {
      const text = read.get()?.[0];
      return typeof text === 'string' ? text : undefined;
    },
    writeState: (state) => void write.run(state),
    commit: () => database.exec('COMMIT; BEGIN IMMEDIATE'),
    close() {
      if (closed) return;
      closed = true;
      release();
    },
  };
}

/** SQLite takes an infinity, but not every driver gives it back. */
const sqlTime = (ms: number) => Math.min(Math.max(ms, -Number.MAX_VALUE), Number.MAX_VALUE);

function trackOf([, key, due, seq, open, text]: SqlRow): SpilledTrack {
  return { key: String(key), due: Number(due), seq: Number(seq), open: open === 1, text: String(text) };
}
