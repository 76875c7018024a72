/** Where `publish` reads from: files and stdin. */
import { accessSync, constants, createReadStream, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { EventsError } from '../core/errors.js';
import type { StreamItem } from '../core/publishing/stream.js';
import { type Line, readLines } from '../terminal/lines.js';
import type { Session } from './deps.js';

export interface LinesOptions {
  /** A file, or `-` for stdin. */
  readonly from: string;
  /** Lines before it are skipped. */
  readonly startLine: number;
}

/** Lines of the file or of stdin from `--start-line` on. An abort ends the reading. */
export async function* linesOf(
  options: LinesOptions,
  session: Session,
  read: (line: number, bytes: Buffer) => StreamItem | undefined,
): AsyncGenerator<StreamItem[]> {
  const { from } = options;
  const stream: Readable =
    from === '-'
      ? session.terminal.streams.stdin
      : createReadStream(fileOf(from, session), { highWaterMark: 256 * 1024 });
  const batches = readLines(addAbortSignal(session.signal, stream))[Symbol.asyncIterator]();
  let warned = false;
  for (;;) {
    let batch: IteratorResult<Line[]>;
    try {
      batch = await batches.next();
    } catch (error) {
      if (session.signal.aborted) return;
      throw cannotRead(from === '-' ? 'stdin' : from, error);
    }
    if (batch.done) return;
    yield batch.value.flatMap(({ number, bytes }) => {
      const item = number < options.startLine ? undefined : read(number, bytes);
      if (
        item !== undefined &&
        'message' in item &&
        item.message.properties.headers?.['x-death'] !== undefined
      ) {
        if (!warned) session.terminal.warn(deadLetterText(number, item.message.exchange));
        warned = true;
      }
      return item === undefined ? [] : [item];
    });
  }
}

function deadLetterText(line: number, exchange: string): string {
  return (
    `line ${line} was saved from a dead-letter queue: like every saved line it is sent where it was, to exchange ` +
    `"${exchange}", and may be dead-lettered again. Its x-death header names its first exchange and routing key.`
  );
}

function fileOf(name: string, { terminal }: Session): string {
  return resolve(terminal.streams.directory, name);
}

/** A file that is not there is told before a broker is asked for. */
export function requireReadable(from: string, session: Session): void {
  if (from === '-') return;
  const file = fileOf(from, session);
  try {
    accessSync(file, constants.R_OK);
  } catch (error) {
    throw cannotRead(file, error);
  }
}

function cannotRead(file: string, cause: unknown): EventsError {
  return new EventsError('input-invalid', `Cannot read ${file}`, { cause });
}

/** A whole text file. Throws `input-invalid`. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw cannotRead(file, error);
  }
}

/** All of stdin as text. */
export async function readAll(session: Session): Promise<string> {
  return (await readAllBytes(session)).toString('utf8');
}

/** All of stdin. */
export async function readAllBytes({ terminal, signal }: Session): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const { stdin } = terminal.streams;
  try {
    for await (const chunk of addAbortSignal(signal, stdin) as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
  return Buffer.concat(chunks);
}
