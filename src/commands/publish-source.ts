/** Where `publish` reads its lines from: files and stdin. */
import { accessSync, constants, createReadStream } from 'node:fs';
import { addAbortSignal, type Readable } from 'node:stream';
import type { StreamItem } from '../core/publishing/stream.js';
import { type Line, readLines } from '../terminal/lines.js';
import type { Session } from './deps.js';
import { cannotRead, fileOf } from './whole-input.js';

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
