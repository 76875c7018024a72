/** The tables of a broker file, and how one is created or recognised. */
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { EventsError } from '../../core/errors.js';
import { storageError } from '../../storage/errors.js';
import { type Database, inTransaction, openDatabase } from '../../storage/sqlite.js';
import { assertLocalDisk } from './local-disk.js';

/** 'atma' in ASCII: marks the file as ours (`PRAGMA application_id`). */
const APPLICATION_ID = 0x61746d61;
/** Raised whenever an older version could misread the tables. */
const SCHEMA_VERSION = 1;
/**
 * A statement waits this long for another process's lock before the event loop gets its turn; the caller
 * then tries again. Long enough to catch the gap between two group commits of a busy publisher.
 */
const BUSY_TIMEOUT_MS = 4;

/**
 * Entry ids hold lane and position (see `lane.ts`), so an entry needs no index besides its table. Messages
 * are stored once and shared by all queues they went to; `refs` counts those. docs/embedded-broker.md tells
 * what the claim tables mean.
 */
const TABLES = `
CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), topology INTEGER NOT NULL);
CREATE TABLE exchange (
  name TEXT PRIMARY KEY, type TEXT NOT NULL, durable INTEGER NOT NULL, auto_delete INTEGER NOT NULL,
  arguments TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE queue (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, durable INTEGER NOT NULL,
  exclusive INTEGER NOT NULL, auto_delete INTEGER NOT NULL, arguments TEXT NOT NULL,
  owner INTEGER, dropped INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE binding (
  exchange TEXT NOT NULL, key TEXT NOT NULL, queue INTEGER NOT NULL, PRIMARY KEY (exchange, key, queue)
) WITHOUT ROWID;
CREATE TABLE lane (
  id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, priority INTEGER NOT NULL, head INTEGER NOT NULL,
  next INTEGER NOT NULL, ready INTEGER NOT NULL, bytes INTEGER NOT NULL, expiring INTEGER NOT NULL,
  UNIQUE (queue, priority)
);
CREATE TABLE message (
  id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, exchange TEXT NOT NULL, key TEXT NOT NULL,
  properties, body BLOB NOT NULL
);
CREATE TABLE entry (id INTEGER PRIMARY KEY, message INTEGER NOT NULL, expires INTEGER);
CREATE TABLE returned (id INTEGER PRIMARY KEY);
CREATE TABLE reheld (id INTEGER PRIMARY KEY, consumer INTEGER NOT NULL);
CREATE TABLE claim (lo INTEGER PRIMARY KEY, hi INTEGER NOT NULL, consumer INTEGER NOT NULL);
CREATE TABLE consumer (
  id INTEGER PRIMARY KEY AUTOINCREMENT, queue INTEGER NOT NULL, session INTEGER NOT NULL, active INTEGER NOT NULL
);
CREATE TABLE session (id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL, pid INTEGER NOT NULL);
INSERT INTO meta VALUES (1, 1);
INSERT INTO exchange VALUES
  ('amq.direct', 'direct', 1, 0, '{}'), ('amq.fanout', 'fanout', 1, 0, '{}'), ('amq.topic', 'topic', 1, 0, '{}');
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** Opens the broker file, creating it and its folder if need be. May throw busy: try again then. */
export function openBrokerFile(path: string): Database {
  reserve(path);
  assertLocalDisk(path, dirname(path));
  const database = openDatabase(path, { busyTimeoutMs: BUSY_TIMEOUT_MS });
  try {
    if (versionOf(path, database) === 0) create(path, database);
    // A checkpoint every 4,000 pages instead of 1,000 rewrites the busy pages less often: +25 % publishes.
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
    if (!createEmpty(path)) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      createEmpty(path);
    }
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

function versionOf(path: string, database: Database): number {
  const [application, version, tables] = database
    .prepare(
      `SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
       FROM pragma_application_id, pragma_user_version`,
    )
    .get() ?? [0, 0, 0];
  if (application !== APPLICATION_ID && (tables !== 0 || version !== 0)) {
    throw new EventsError('storage', `${path} is an SQLite database of another program`, {
      hint: 'Give another path with embedded:PATH.',
    });
  }
  if (Number(version) > SCHEMA_VERSION) {
    throw new EventsError('storage', `${path} was written by a newer atma-events (format ${version})`, {
      hint: `This one reads format ${SCHEMA_VERSION}. Update atma-events, or give another path.`,
    });
  }
  return Number(version);
}

function create(path: string, database: Database): void {
  // Both only count while the file is empty; 8 KiB pages hold twice the messages per page written.
  database.exec('PRAGMA page_size = 8192');
  database.exec('PRAGMA journal_mode = WAL');
  inTransaction(database, () => {
    // Another process may have won the race for the write lock.
    if (versionOf(path, database) === 0) database.exec(TABLES);
  });
}
