/** Files and stdin that are read whole. */
import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { EventsError } from '../core/errors.js';
import type { Session } from './deps.js';

const MIB = 1024 * 1024;
/** What RabbitMQ took at most by default before 4.0, which takes 16 MiB. A device or a pipe may have no end. */
const MOST_BYTES = 128 * MIB;

/** All of a file, or of stdin for `-`. Throws `input-invalid`, also for more than 128 MiB. */
export async function readWhole(name: string, session: Session): Promise<Buffer> {
  const { terminal, signal } = session;
  const source = name === '-' ? 'stdin' : fileOf(name, session);
  const stream: Readable = name === '-' ? terminal.streams.stdin : createReadStream(source);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of addAbortSignal(signal, stream) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MOST_BYTES) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : cannotRead(source, error);
  }
  if (bytes <= MOST_BYTES) return Buffer.concat(chunks);
  throw new EventsError('input-invalid', `${source} holds more than ${MOST_BYTES / MIB} MiB`, {
    hint: 'RabbitMQ takes no message of that size (max_message_size, 16 MiB by default).',
  });
}

/** Its absolute path. */
export function fileOf(name: string, { terminal }: Session): string {
  return resolve(terminal.streams.directory, name);
}

export function cannotRead(file: string, cause: unknown): EventsError {
  return new EventsError('input-invalid', `Cannot read ${file}`, { cause });
}
