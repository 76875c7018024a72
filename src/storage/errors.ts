/** SQLite's failures in the words of `EventsError`, the same from both drivers. */
import { EventsError, messageOf } from '../core/errors.js';

/**
 * SQLite result codes that mean something to a caller (https://sqlite.org/rescode.html): primary ones, and the
 * extended one of a failed write, which is how quotas (EDQUOT) and file size limits (EFBIG) come.
 */
const RESULT_CODES: Readonly<Record<number, string>> = {
  3: 'SQLITE_PERM',
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  8: 'SQLITE_READONLY',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  26: 'SQLITE_NOTADB',
  778: 'SQLITE_IOERR_WRITE',
};

/** The file system's own failures mean the same to the caller as SQLite's. */
const SYSTEM_CODES: Readonly<Record<string, string>> = {
  ENOSPC: 'SQLITE_FULL',
  EDQUOT: 'SQLITE_FULL',
  EIO: 'SQLITE_IOERR',
  EACCES: 'SQLITE_PERM',
  EPERM: 'SQLITE_PERM',
  EROFS: 'SQLITE_READONLY',
  ENOTDIR: 'SQLITE_CANTOPEN',
  EISDIR: 'SQLITE_CANTOPEN',
  ENAMETOOLONG: 'SQLITE_CANTOPEN',
};

const HINTS: Readonly<Record<string, string>> = {
  SQLITE_PERM:
    'This user may not use the file or its folder; check owner and permissions, or give another path.',
  SQLITE_READONLY: 'The file or its folder cannot be written; check owner, permissions and mount options.',
  SQLITE_IOERR:
    'The disk refused to read or write. Nothing was confirmed that is not on disk; look at the system log.',
  SQLITE_IOERR_WRITE:
    'The disk took no more: a quota or a file size limit is reached, or it is failing. Nothing was confirmed that is not on disk.',
  SQLITE_CORRUPT:
    'The file is damaged. Move it away with its -wal and -shm files, and restore or start a new one.',
  SQLITE_FULL: 'The disk is full. Nothing was confirmed that is not on disk; free some space and try again.',
  SQLITE_CANTOPEN:
    'The path must be a file (or not exist yet) in a folder that exists and that this user can write.',
  SQLITE_NOTADB: 'The file is something else than an SQLite database. Give another path.',
};

/**
 * The SQLite result name behind an error of either driver, of the file system or of `storageError`; without its
 * extension, unless that is listed above.
 */
export function sqliteCode(error: unknown): string | undefined {
  if (error instanceof EventsError) return error.cause === undefined ? undefined : sqliteCode(error.cause);
  if (!(error instanceof Error)) return undefined;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  // node:sqlite gives the number, its extended part above the low byte; better-sqlite3 gives the name.
  if (typeof errcode === 'number') {
    return RESULT_CODES[errcode] ?? RESULT_CODES[errcode & 0xff] ?? `SQLITE_${errcode & 0xff}`;
  }
  if (typeof code === 'string' && code in SYSTEM_CODES) return SYSTEM_CODES[code];
  if (typeof code === 'string' && code.startsWith('SQLITE_')) {
    const names = Object.values(RESULT_CODES);
    return names.find((name) => code === name) ?? names.find((name) => code.startsWith(`${name}_`)) ?? code;
  }
  return undefined;
}

/** Another connection holds the lock; trying again helps. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === 'SQLITE_BUSY' || code === 'SQLITE_LOCKED';
}

/** There is no room now; trying again helps once there is. */
export function isFull(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === 'SQLITE_FULL' || code === 'SQLITE_IOERR_WRITE';
}

/** The error as `EventsError('storage')`, with what to do next. An `EventsError` stays as it is. */
export function storageError(path: string, error: unknown): EventsError {
  if (error instanceof EventsError) return error;
  const code = sqliteCode(error) ?? fileCode(error);
  const hint = code === undefined ? undefined : HINTS[code];
  return new EventsError('storage', `${path}: ${messageOf(error)}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** better-sqlite3 throws a plain TypeError where the folder is missing. */
function fileCode(error: unknown): string | undefined {
  return error instanceof TypeError && error.message.includes('directory') ? 'SQLITE_CANTOPEN' : undefined;
}
