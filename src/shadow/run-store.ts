/**
 * A shadow run on disk: one SQLite file (mode 0600) with the matcher's tracks and state, and the legs that did not
 * match. All of it becomes durable together, at the matcher's checkpoint: a run that is killed leaves nothing half
 * recorded. Beside it lie SQLite's -wal and -shm, and an empty -lock.
 */
import { openLocked } from '../storage/file-lock.js';
import type { Database } from '../storage/sqlite.js';
import { RUN_FILE } from './run-file.js';
import { runInUse } from './run-lock.js';
import type { LegRow } from './run-summary.js';
import { type Spill, spillIn } from './spill.js';

export interface RunStore {
  readonly path: string;
  /** For the matcher. Closing it closes the store. */
  readonly spill: Spill;
  /** The same key replaces. Durable with the next commit of the spill. Throws `storage`. */
  putLeg(row: LegRow): void;
  removeLeg(key: string): void;
  /** What was not committed is gone. Idempotent. */
  close(): void;
}

/**
 * Legs listed one by one. Where everything differs, more would fill the disk and tell nothing: the counts stay exact,
 * and the causes keep their examples.
 */
export const MOST_LEGS = 100_000;

/**
 * Opens or creates the store for recording. Throws `usage` when another process records into it, `storage` for a file
 * of another kind or when it cannot be opened.
 */
export function openRunStore(path: string): RunStore {
  const { database, lock } = openLocked(path, RUN_FILE, runInUse(path));
  try {
    database.exec('PRAGMA synchronous = FULL');
    const spill = spillIn(database, () => {
      database.close();
      lock.release();
    });
    return { path, spill, ...legsIn(database), close: () => spill.close() };
  } catch (error) {
    database.close();
    lock.release();
    throw error;
  }
}

function legsIn(database: Database): Pick<RunStore, 'putLeg' | 'removeLeg'> {
  const put = database.prepare('INSERT OR REPLACE INTO legs (key, at, text) VALUES (?, ?, ?)');
  const change = database.prepare('UPDATE legs SET at = ?, text = ? WHERE key = ?');
  const remove = database.prepare('DELETE FROM legs WHERE key = ?');
  let count = Number(database.prepare('SELECT count(*) FROM legs').get()?.[0]);
  return {
    putLeg(row) {
      const text = JSON.stringify(row);
      if (change.run(row.at, text, row.key) > 0 || count >= MOST_LEGS) return;
      put.run(row.key, row.at, text);
      count++;
    },
    removeLeg(key) {
      count -= remove.run(key);
    },
  };
}
