/**
 * Who works on a file: one process at a time. The lock is SQLite's, on an empty file beside it: the system takes it back
 * when its process ends, however that ends. The file's own lock would not do, as it is free for a moment between two
 * transactions.
 *
 * The lock's file is opened by SQLite alone: closing any other descriptor of a file frees the POSIX locks that the
 * process has on it (https://sqlite.org/howtocorrupt.html, section 2.2).
 */
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { EventsError } from '../core/errors.js';
import { isBusy, storageError } from './errors.js';
import { type OwnFile, openOwnFile } from './own-file.js';
import { type Database, openDatabase } from './sqlite.js';

export interface FileLock {
  /** Idempotent. The lock's file stays, and with it nothing: it is empty. */
  release(): void;
}

/** What somebody is told who finds the file in use. */
export interface InUse {
  readonly message: string;
  readonly hint: string;
}

/** Somebody who merely looks has it for less than this. Milliseconds. */
const LOOKERS_MS = 500;

const lockPath = (file: string) => `${file}-lock`;

/** Throws `usage` while another has it (in this process, too), `storage` when there is no making one. */
export function lockFile(file: string, inUse: InUse): FileLock {
  const path = lockPath(file);
  for (;;) {
    const lock = lockAt(path, inUse);
    // Whoever deletes the file deletes its lock too, perhaps between our opening and locking it.
    if (existsSync(path)) return lock;
    lock.release();
  }
}

/** The file comes first: a lock beside a file of another program would be litter. Throws what both throw. */
export function openLocked(
  path: string,
  own: OwnFile,
  inUse: InUse,
): { readonly database: Database; readonly lock: FileLock } {
  const database = openPatiently(path, own);
  try {
    return { database, lock: lockFile(path, inUse) };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Whether a process has it at this moment. Changes nothing. */
export function isFileLocked(file: string): boolean {
  if (!existsSync(lockPath(file))) return false;
  const database = openDatabase(lockPath(file), { readonly: true });
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

/** Deletes the lock's file; the lock must be held. */
export function removeFileLock(file: string, lock: FileLock): void {
  rmSync(lockPath(file), { force: true });
  lock.release();
}

function lockAt(path: string, { message, hint }: InUse): FileLock {
  createEmpty(path);
  const database = openDatabase(path, { busyTimeoutMs: LOOKERS_MS });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw error;
    throw new EventsError('usage', message, { hint, cause: error });
  }
  return { release: () => database.close() };
}

function createEmpty(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw storageError(path, error);
  }
}

const TRIES = 250;

/** Two that create it at once: one waits for the other, a few milliseconds with each try. */
function openPatiently(path: string, own: OwnFile): Database {
  for (let tries = 1; ; tries++) {
    try {
      return openOwnFile(path, own);
    } catch (error) {
      if (!isBusy(error) || tries === TRIES) throw error;
    }
  }
}
