/** Another content for a file that others read: in one step, with the rights it had, where its name leads. */
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { flushFolderOf } from './append-file.js';
import { storageError } from './errors.js';

/** `beside`: the content is on disk, under another name. `renamed`: readers see it. `flushed`: its name is on disk. */
export type ReplaceStep = 'beside' | 'renamed' | 'flushed';

export interface ReplaceOptions {
  /**
   * Name of the file that is written first, in the same folder; what is there is deleted. Default one of this process's own.
   * Whoever has a lock gives a fixed one: then a process that was killed leaves one file behind at most.
   */
  readonly beside?: string;
  /** Told after each step. */
  readonly step?: (step: ReplaceStep) => void;
}

/**
 * Readers see what was there before, or all of the new content. A link stays, and what it leads to is replaced; mode and, where
 * that is allowed, owner and group stay; a file that is new is 0644 less the umask. Throws `storage`: then the old content is
 * there, and nothing beside it.
 */
export function replaceFile(path: string, content: string | Uint8Array, options: ReplaceOptions = {}): void {
  const { step = () => {} } = options;
  let beside: string | undefined;
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    const target = found === undefined ? path : realpathSync(path);
    beside = join(dirname(target), options.beside ?? `.${basename(target)}.${process.pid}.tmp`);
    rmSync(beside, { force: true });
    writeFlushed(beside, content, found);
    step('beside');
    renameSync(beside, target);
    step('renamed');
    flushFolderOf(target);
    step('flushed');
  } catch (error) {
    if (beside !== undefined) discard(beside);
    throw storageError(path, error);
  }
}

function writeFlushed(path: string, content: string | Uint8Array, like: Stats | undefined): void {
  // Exclusive: in a folder that others may write to nobody can have put a link there.
  const fd = openSync(path, 'wx', like === undefined ? 0o644 : 0o600);
  try {
    if (like !== undefined) {
      giveTo(fd, like);
      fchmodSync(fd, like.mode & 0o7777);
    }
    writeFileSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Only the superuser gives files away; the group may be any that one belongs to. What is not allowed is left. */
function giveTo(fd: number, { uid, gid }: Stats): void {
  for (const [user, group] of [
    [uid, gid],
    [-1, gid],
  ] as const) {
    try {
      fchownSync(fd, user, group);
      return;
    } catch {
      // The content counts for more than whose name is on it.
    }
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // What keeps it from being deleted (a disk that went away) is what is being told already.
  }
}
