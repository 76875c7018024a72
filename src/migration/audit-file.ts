/** The file of the audit trail: SQLite, beside the flag file. Its write lock is what makes moves wait for each other. */
import { existsSync } from 'node:fs';
import { EventsError } from '../core/errors.js';
import { isBusy } from '../storage/errors.js';
import { type OwnFile, openOwnFile } from '../storage/own-file.js';
import { type Database, openDatabase } from '../storage/sqlite.js';
import {
  type AuditDraft,
  type AuditEntry,
  type AuditRow,
  entryAfter,
  entryOf,
  rowOf,
} from './audit-chain.js';
import { locateFlagFile } from './flag-file.js';

/** To be used inside a transaction. */
export interface Trail {
  readonly database: Database;
  /** Throws `storage` when the last row is damaged: nothing can follow it. */
  last(): AuditEntry | undefined;
  /** Of the moves that are done. 0: none. */
  highestEpoch(): number;
  /** The draft as the entry that would come next. */
  next(draft: AuditDraft): AuditEntry;
  /** Throws `storage`. */
  append(entry: AuditEntry): void;
}

/** What the file held at one moment. */
export interface StoredTrail {
  readonly rows: readonly AuditRow[];
  /** The highest number ever given to a row, of those that were removed, too. */
  readonly highest: number;
}

const AUDIT_FILE: OwnFile = {
  kind: 'the audit trail of a migration flag',
  applicationId: 0x41454154, // "AEAT"
  version: 1,
  pageSize: 4_096,
  otherPathHint: 'Move the file away, or keep the flag file elsewhere, on a local disk.',
  // The triggers are against slips, not against intent: verifying is against that.
  tables: `
CREATE TABLE entry (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL, hash TEXT NOT NULL, file_after TEXT
);
CREATE TRIGGER entry_stays BEFORE DELETE ON entry BEGIN SELECT raise(ABORT, 'entries of the audit trail stay'); END;
CREATE TRIGGER entry_keeps BEFORE UPDATE ON entry BEGIN SELECT raise(ABORT, 'entries of the audit trail stay'); END;
`,
};

/** How long a reader waits for a lock, which nobody has for longer than a commit takes. Milliseconds. */
const READER_WAIT_MS = 2_000;

/** Beside the flag file, where that really lies. */
export const auditPathOf = (flagFile: string): string => `${locateFlagFile(flagFile)}.audit.db`;

/** Opens or creates it. Throws `storage`; busy: try again. */
export function openTrail(path: string): Trail {
  const database = openOwnFile(path, AUDIT_FILE);
  try {
    // What was committed is on disk, before the flag file changes.
    database.exec('PRAGMA synchronous = FULL');
    return prepareTrail(path, database);
  } catch (error) {
    database.close();
    throw error;
  }
}

function prepareTrail(path: string, database: Database): Trail {
  const insert = database.prepare('INSERT INTO entry VALUES (?, ?, ?, ?)');
  const lastRow = database.prepare(`${SELECT} ORDER BY seq DESC LIMIT 1`);
  const highest = database.prepare(
    "SELECT max(json_extract(text, '$.epoch')) FROM entry WHERE json_extract(text, '$.action') = 'done'",
  );
  const last = (): AuditEntry | undefined => {
    const row = lastRow.get();
    if (row === undefined) return undefined;
    const entry = entryOf(toRow(row));
    if (entry !== undefined) return entry;
    throw new EventsError('storage', `The last entry of ${path} is damaged: nothing can follow it`, {
      hint: 'Look at `atma-events flag history --verify`. Then move the file away with its -wal and -shm files, and keep it: a new trail begins with the next move.',
    });
  };
  return {
    database,
    last,
    highestEpoch: () => Number(highest.get()?.[0] ?? 0),
    next: (draft) => entryAfter(last(), draft),
    append(entry) {
      const { seq, text, hash, fileAfter } = rowOf(entry);
      insert.run(seq, text, hash, fileAfter);
    },
  };
}

const SELECT = 'SELECT seq, text, hash, file_after FROM entry';

/**
 * All rows, as they are. Undefined: there is no trail. Throws `storage`. Not opened read-only: such a connection leaves files of
 * SQLite's beside the trail that only a writer deletes.
 */
export function readTrail(path: string): StoredTrail | undefined {
  if (!existsSync(path)) return undefined;
  const database = openDatabase(path, { busyTimeoutMs: READER_WAIT_MS });
  try {
    database.exec('BEGIN');
    const [tables] = database.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'entry'").get() ?? [0];
    if (tables === 0) return undefined; // somebody is creating it
    const [highest] = database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'entry'").get() ?? [0];
    const rows = database.prepare(`${SELECT} ORDER BY seq`).all().map(toRow);
    return { rows, highest: Number(highest) };
  } finally {
    database.close();
  }
}

/** Attempts until no other process holds the lock, holding up this one; for those who have nothing else to do meanwhile. */
export function whileBusy<T>(timeoutMs: number, attempt: () => T): T {
  for (const until = performance.now() + timeoutMs; ; ) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() >= until) throw error;
    }
  }
}

function toRow([seq, text, hash, fileAfter]: readonly unknown[]): AuditRow {
  return {
    seq: Number(seq),
    text: String(text),
    hash: String(hash),
    fileAfter: typeof fileAfter === 'string' ? fileAfter : null,
  };
}
