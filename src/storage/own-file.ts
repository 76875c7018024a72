/** A SQLite file of our own that several processes share: how it is created, and how it is recognised. */
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { EventsError } from '../core/errors.js';
import { BUSY_TIMEOUT_MS } from './busy.js';
import { storageError } from './errors.js';
import { assertLocalDisk } from './local-disk.js';
import { type Database, inTransaction, openDatabase } from './sqlite.js';

export interface OwnFile {
  /** What the file is, for people: `an idempotency store`. */
  readonly kind: string;
  /** `PRAGMA application_id`: four ASCII letters that no other kind of file has. */
  readonly applicationId: number;
  /** `PRAGMA user_version`, from 1: raised whenever an older version of this software could misread the tables. */
  readonly version: number;
  /** The SQL that creates its tables. */
  readonly tables: string;
  /** Bytes. */
  readonly pageSize: number;
  /** What to do about a path that cannot be it. */
  readonly otherPathHint: string;
}

/**
 * Opens the file in WAL mode, or creates it (mode 0600, a folder it has to make 0700). Throws `storage` for a file of
 * another program, of a newer version of this one, or on a network disk. May throw busy: try again then.
 */
export function openOwnFile(path: string, own: OwnFile): Database {
  reserve(path);
  assertLocalDisk(path, dirname(path), own.otherPathHint);
  const database = openDatabase(path, { busyTimeoutMs: BUSY_TIMEOUT_MS });
  try {
    if (versionOf(path, own, database) === 0) create(path, own, database);
    // A checkpoint every 4,000 pages instead of 1,000 rewrites the busy pages less often: +15 to 25 % writes.
    database.exec('PRAGMA wal_autocheckpoint = 4000');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Creates the empty file for its owner's eyes only; SQLite gives its -wal and -shm the same mode. */
function reserve(path: string): void {
  try {
    if (createEmpty(path)) return;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    createEmpty(path);
  } catch (error) {
    throw storageError(path, error);
  }
}

/** Creates the file unless there is something already; false when its folder is missing. */
function createEmpty(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx', 0o600));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return false;
    if (code === 'EEXIST' || code === 'EISDIR') return true;
    throw error;
  }
}

/** The format of the file, 0 for an empty one. */
function versionOf(path: string, own: OwnFile, database: Database): number {
  const [application, version, tables] = database
    .prepare(
      `SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
       FROM pragma_application_id, pragma_user_version`,
    )
    .get() ?? [0, 0, 0];
  if (application !== own.applicationId && (application !== 0 || tables !== 0 || version !== 0)) {
    throw new EventsError(
      'storage',
      `${path} is an SQLite database of another program or purpose, not ${own.kind}`,
      {
        hint: own.otherPathHint,
      },
    );
  }
  if (Number(version) > own.version) {
    throw new EventsError('storage', `${path} was written by a newer atma-events (format ${version})`, {
      hint: `This one reads format ${own.version}. Update atma-events, or give another path.`,
    });
  }
  return Number(version);
}

function create(path: string, own: OwnFile, database: Database): void {
  // Both only count while the file is empty.
  database.exec(`PRAGMA page_size = ${own.pageSize}`);
  database.exec('PRAGMA journal_mode = WAL');
  inTransaction(database, () => {
    // Another process may have won the race for the write lock.
    if (versionOf(path, own, database) !== 0) return;
    database.exec(own.tables);
    database.exec(`PRAGMA application_id = ${own.applicationId}`);
    database.exec(`PRAGMA user_version = ${own.version}`);
  });
}
