/** The end of a store: the file, and all that lies beside it. */
import { rmSync } from 'node:fs';
import { EventsError } from '../core/errors.js';
import { lockFile, removeFileLock } from '../storage/file-lock.js';
import { requireRun } from './read-run.js';
import { runInUse } from './run-lock.js';

/** Throws `usage` while a process records into it, `storage` for a file that is no shadow run, or cannot be deleted. */
export function deleteRun(path: string): void {
  requireRun(path);
  const lock = lockFile(path, runInUse(path));
  try {
    for (const suffix of ['-wal', '-shm', '']) rmSync(`${path}${suffix}`, { force: true });
  } catch (error) {
    lock.release();
    throw new EventsError('storage', `Cannot delete ${path}`, {
      cause: error,
      hint: 'Check who owns the file and its folder; what is left of it can be deleted by hand.',
    });
  }
  removeFileLock(path, lock);
}
