/** The flag file on disk. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  type Stats,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { messageOf } from '../core/errors.js';
import { fileHash, readFlag } from './flag-document.js';
import { type FlagState, flagInvalid, NO_FLAG } from './flag-state.js';

export type { FlagState } from './flag-state.js';

export interface FlagFile {
  readonly state: FlagState;
  /** SHA-256 of the whole file in hex; null: there is none, which means `off`. */
  readonly hash: string | null;
}

/** Bytes. A ConfigMap holds 1 MB. */
const LARGEST = 4 * 1024 * 1024;

// Without blocking: a named pipe without a writer would be waited for.
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** What the file says. No file: `off`, epoch 0. Throws `flag-invalid`. */
export function readFlagFile(path: string): FlagFile {
  const { state, hash } = readFlagText(path);
  return { state, hash };
}

/** The same with the file's text, undefined where there is none. */
export function readFlagText(path: string): FlagFile & { readonly text: string | undefined } {
  const bytes = readFlagBytes(path);
  if (bytes === undefined) return { state: NO_FLAG, hash: null, text: undefined };
  const text = textOf(bytes, path);
  return { state: readFlag(text, path).state, hash: fileHash(bytes), text };
}

/** Undefined: there is no file. Throws `flag-invalid` for what cannot be read or is no regular file. */
export function readFlagBytes(path: string): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, READ);
    requireFlagSized(path, fstatSync(fd));
    return readFileSync(fd);
  } catch (error) {
    return missingOrThrow(path, error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** The same without holding up the event loop, which a network disk might do for minutes. */
export async function loadFlagBytes(path: string): Promise<Buffer | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, READ);
    requireFlagSized(path, await file.stat());
    return await file.readFile();
  } catch (error) {
    return missingOrThrow(path, error);
  } finally {
    await file?.close();
  }
}

/** Throws `flag-invalid` for bytes that are not UTF-8: written back, they would not be what they were. */
export function textOf(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw flagInvalid(`${path} is not UTF-8 text`, 'Give the path of a flag file.', error);
  }
}

/**
 * Where the file really lies, so that whoever comes by a link and whoever comes by the name find the same audit trail and
 * wait for the same lock. A file or folder that is not there yet stays as it was named.
 */
export function locateFlagFile(path: string): string {
  const found = realOf(path);
  if (found !== undefined) return found;
  const folder = realOf(dirname(path));
  return folder === undefined ? resolve(path) : join(folder, basename(path));
}

function realOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined; // not there, or not to be seen: whoever opens it is told
  }
}

function requireFlagSized(path: string, found: Stats): void {
  const hint = 'Give the path of a flag file.';
  if (!found.isFile()) throw flagInvalid(`${path} is no regular file`, hint);
  if (found.size > LARGEST) throw flagInvalid(`${path} has ${found.size} bytes: that is no flag file`, hint);
}

function missingOrThrow(path: string, error: unknown): undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'flag-invalid') throw error;
  if (code !== 'ENOENT' && code !== 'ENOTDIR') {
    throw flagInvalid(
      `${path} cannot be read: ${messageOf(error)}`,
      'Check owner and permissions of the file and of its folders.',
      error,
    );
  }
  if (code === 'ENOENT' && isLink(path))
    throw flagInvalid(`${path} is a link that leads nowhere`, 'Repair the link.', error);
  return undefined;
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}
