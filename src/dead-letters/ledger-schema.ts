import { EventsError } from '../core/errors.js';
import { type Database, inTransaction } from '../storage/sqlite.js';

const VERSION = 1;

/**
 * Rows of one replay lie together, in the order in which they were claimed, so that a batch is a range and its states
 * change with one statement. Hashes have no index: at random places, it would write more than all the rest. When one is
 * needed (after a crash or a lost connection) it is made.
 * `doubt` counts how often a message was sent although it may have arrived before.
 */
const SCHEMA = `
CREATE TABLE IF NOT EXISTS replay (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, queue TEXT NOT NULL, target TEXT NOT NULL, criteria TEXT,
  most INTEGER, total INTEGER NOT NULL, started INTEGER NOT NULL, state TEXT NOT NULL, boomeranged INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS message (
  replay INTEGER NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL, id TEXT, state INTEGER NOT NULL,
  target TEXT, reason TEXT, doubt INTEGER NOT NULL,
  PRIMARY KEY (replay, seq)
) WITHOUT ROWID;
PRAGMA user_version = ${VERSION};
`;

/** Throws `storage` when a later version of this software made the file. */
export function prepareLedger(database: Database): void {
  database.prepare('PRAGMA journal_mode = WAL').get();
  const version = Number(database.prepare('PRAGMA user_version').get()?.[0]);
  if (version > VERSION) {
    throw new EventsError('storage', 'The replay ledger was made by a later version of atma-events', {
      hint: 'Use that version, or give another ledger file.',
    });
  }
  if (version < VERSION) inTransaction(database, () => database.exec(SCHEMA));
}
