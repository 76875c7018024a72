/** The recordings that `shadow compare` and `shadow suggest` read: files, or one of them from stdin. */
import { accessSync, constants, createReadStream, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { EventsError } from '../core/errors.js';
import type { Session } from './deps.js';

export interface Recording {
  /** As it was given, for people. */
  readonly name: string;
  /** Undefined where nobody can tell. */
  readonly bytes: number | undefined;
  /** Rejects with `input-invalid` when it cannot be read on, and with the signal's reason. */
  read(): AsyncGenerator<Uint8Array>;
}

/** Throws `input-invalid` for a file that is not there or not to be read, `usage` for a folder. */
export function recordingOf(name: string, session: Session): Recording {
  const { terminal, signal } = session;
  if (name === '-') {
    const { stdin } = terminal.streams;
    if (stdin.isTTY) {
      throw new EventsError('usage', 'Nothing comes from stdin: it is a terminal', {
        hint: 'Pipe a recording into it, or name a file.',
      });
    }
    return { name: 'stdin', bytes: undefined, read: () => readOn('stdin', () => stdin, signal) };
  }
  const path = resolve(terminal.streams.directory, name);
  const bytes = sizeOf(path);
  const open = () => createReadStream(path, { highWaterMark: 256 * 1024 });
  return { name, bytes, read: () => readOn(name, open, signal) };
}

/** Throws `usage` when stdin would have to be two recordings. */
export function requireOneStdin(names: readonly string[]): void {
  if (names.filter((name) => name === '-').length < 2) return;
  throw new EventsError('usage', 'Only one recording can come from stdin', {
    hint: 'Name a file for the others.',
  });
}

function sizeOf(path: string): number | undefined {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw new EventsError('input-invalid', `Cannot read ${path}`, {
      cause: error,
      hint: 'Check the name, and that the file may be read.',
    });
  }
  const found = statSync(path);
  if (found.isDirectory()) {
    throw new EventsError('usage', `${path} is a folder`, { hint: 'Name a file in it.' });
  }
  return found.isFile() ? found.size : undefined;
}

async function* readOn(name: string, open: () => Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* addAbortSignal(signal, open()) as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new EventsError('input-invalid', `Cannot read ${name} to its end`, {
      cause: error,
      hint: 'See whether the disk is in order, and compare again.',
    });
  }
}
