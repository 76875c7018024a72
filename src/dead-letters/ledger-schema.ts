/** The ledger's file and tables. */
import { type OwnFile, openOwnFile } from '../storage/own-file.js';
import type { Database } from '../storage/sqlite.js';

/**
 * Rows of one replay lie together, in the order in which they were claimed, so that a batch is a range and its states
 * change with one statement. Hashes have no index: at random places, it would write more than all the rest. When one is
 * needed (after a crash or a lost connection) it is made.
 * `broker` is the transport's `identity`: a queue of the same name on another broker is another queue.
 * `doubt` counts how often a message was sent although it may have arrived before.
 */
const TABLES = `
CREATE TABLE replay (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, broker TEXT NOT NULL, queue TEXT NOT NULL, target TEXT NOT NULL,
  criteria TEXT, most INTEGER, total INTEGER NOT NULL, started INTEGER NOT NULL, state TEXT NOT NULL,
  boomeranged INTEGER NOT NULL
);
CREATE TABLE message (
  replay INTEGER NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL, id TEXT, state INTEGER NOT NULL,
  target TEXT, reason TEXT, doubt INTEGER NOT NULL,
  PRIMARY KEY (replay, seq)
) WITHOUT ROWID;
`;

const LEDGER_FILE: OwnFile = {
  kind: 'a replay ledger',
  applicationId: 0x61744c67, // "atLg"
  version: 1,
  tables: TABLES,
  pageSize: 4096,
  otherPathHint: 'Give the ledger a path of its own on a local disk, with --ledger.',
};

/**
 * Another process writes for milliseconds, a disk that hangs takes longer. This process waits with its event loop, which
 * a command line can afford.
 */
const BUSY_MS = 10_000;

/** Opens or creates the file (mode 0600, a folder it has to make 0700). Throws `storage`. */
export function openLedgerFile(path: string): Database {
  const database = openOwnFile(path, LEDGER_FILE);
  database.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
  return database;
}
