/** A file that lines are appended to, whole or not at all. */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { EventsError } from '../core/errors.js';

export interface AppendFile {
  /** Writes the whole text, or none of it: what a full disk cut short is taken back. Throws `storage`. */
  append(text: string): void;
  /** Everything appended so far reaches the disk before it returns. Throws `storage`. */
  flush(): void;
  /** Reaches the disk, then closes. */
  close(): void;
}

/** Opens `path` for appending, created with mode 0600. Throws `storage` when that is not possible. */
export function openAppend(path: string): AppendFile {
  let fd: number;
  try {
    fd = openSync(path, 'a+', 0o600);
  } catch (error) {
    throw new EventsError('storage', `Cannot write ${path}`, { cause: error });
  }
  // Pipes and devices (/dev/stdout, process substitution) have no length to go back to.
  const regular = fstatSync(fd).isFile();
  const write = (text: string) => {
    const bytes = Buffer.from(text);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(fd, bytes, written);
    } catch (error) {
      takeBack(fd, written, regular);
      throw new EventsError('storage', `Cannot write ${path}`, {
        cause: error,
        hint: 'Every line in the file so far is whole; the event that failed is not among them.',
      });
    }
  };
  // What a crash left half written stays a line of its own.
  if (regular && endsMidLine(fd)) write('\n');
  return {
    append: write,
    flush() {
      try {
        if (regular) fsyncSync(fd);
      } catch (error) {
        throw new EventsError('storage', `Cannot write ${path}`, { cause: error });
      }
    },
    close() {
      if (regular) fsyncSync(fd);
      closeSync(fd);
    },
  };
}

/** Removes the last `count` bytes: they are this process's own, for its writes came last. */
function takeBack(fd: number, count: number, regular: boolean): void {
  if (regular && count > 0) ftruncateSync(fd, fstatSync(fd).size - count);
}

function endsMidLine(fd: number): boolean {
  const { size } = fstatSync(fd);
  const last = Buffer.alloc(1);
  return size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
}

/**
 * The name of a file that was just created reaches the disk, too: flushing the file alone keeps its content, not its
 * entry in the folder. Does nothing where a folder cannot be flushed (Windows, some network file systems).
 */
export function flushFolderOf(path: string): void {
  let fd: number;
  try {
    fd = openSync(dirname(path), 'r');
  } catch {
    return; // Windows opens no folders
  }
  try {
    fsyncSync(fd);
  } catch {
    // EINVAL: this file system flushes no folders, and nothing better can be done on it.
  } finally {
    closeSync(fd);
  }
}
