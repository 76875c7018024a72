/**
 * Who records into a run's store: one process at a time. The lock is SQLite's, on an empty file beside the store: the
 * system takes it back when its process ends, however that ends. The store's own lock would not do, as it is free for a
 * moment between two transactions.
 */
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { EventsError } from '../core/errors.js';
import { isBusy, storageError } from '../storage/errors.js';
import { openDatabase } from '../storage/sqlite.js';

export interface RunLock {
  /** Idempotent. The file stays, and with it nothing: it is empty. */
  release(): void;
}

/** Somebody who merely looks has it for less than this. Milliseconds. */
const LOOKERS_MS = 500;

/** Beside the store; `shadow purge` deletes it with the rest. */
export const lockPath = (store: string) => `${store}-lock`;

/** Throws `usage` while another process has it, `storage` when there is no making one. */
export function lockRun(store: string): RunLock {
  const path = lockPath(store);
  for (;;) {
    const lock = lockFile(store, path);
    // Whoever deletes the store deletes this file too, perhaps between our opening and locking it.
    if (existsSync(path)) return lock;
    lock.release();
  }
}

function lockFile(store: string, path: string): RunLock {
  try {
    closeSync(openSync(path, 'a', 0o600));
  } catch (error) {
    throw storageError(path, error);
  }
  const database = openDatabase(path, { busyTimeoutMs: LOOKERS_MS });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw error;
    throw new EventsError('usage', `Another shadow run records into ${store} at this moment`, {
      hint: 'Stop it where it runs (Ctrl-C), or give another --store. shadow report and shadow verdict may look at any time.',
      cause: error,
    });
  }
  return { release: () => database.close() };
}

/** Whether a process records into the store at this moment. Changes nothing. */
export function isRunLocked(store: string): boolean {
  if (!existsSync(lockPath(store))) return false;
  const database = openDatabase(lockPath(store), { readonly: true });
  try {
    database.prepare('SELECT count(*) FROM sqlite_schema').get();
    return false;
  } catch (error) {
    if (isBusy(error)) return true;
    throw error;
  } finally {
    database.close();
  }
}

/** Deletes the lock's file; it must be held. */
export function removeLock(store: string, lock: RunLock): void {
  rmSync(lockPath(store), { force: true });
  lock.release();
}
