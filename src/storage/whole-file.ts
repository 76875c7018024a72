/** A file that is there whole or not at all, whatever ends the process that writes it. */
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { EventsError } from '../core/errors.js';
import { flushFolderOf } from './append-file.js';

/** Throws `usage` where nothing can be written: hours of work should not end with that. */
export function requireWritable(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) {
    throw new EventsError('usage', `${path} is a folder`, { hint: 'Name a file in it.' });
  }
  try {
    accessSync(found !== undefined && !found.isFile() ? path : dirname(path), constants.W_OK);
  } catch (error) {
    throw new EventsError('usage', `Cannot write ${path}`, {
      cause: error,
      hint: 'Its folder must be there and allow it.',
    });
  }
}

/**
 * Writes the text beside `path` and moves it there: readers see what was there before, or all of it. Pipes and devices
 * are written to as they are. Throws `storage`.
 */
export function writeWhole(path: string, text: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  const direct = found !== undefined && !found.isFile();
  const beside = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    if (direct) writeFileSync(path, text);
    else {
      writeFlushed(beside, text);
      renameSync(beside, path);
      flushFolderOf(path);
    }
  } catch (error) {
    if (!direct) rmSync(beside, { force: true });
    throw new EventsError('storage', `Cannot write ${path}`, {
      cause: error,
      hint: 'Nothing of it was left behind.',
    });
  }
}

function writeFlushed(path: string, text: string): void {
  const fd = openSync(path, 'w');
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
