/** Lines of JSON from a byte stream of any size, read ahead by one chunk at most. */
import { type ParsedJson, parseJson } from '../core/events/json.js';

export interface JsonLine {
  /** From 1. */
  readonly number: number;
  readonly parsed: ParsedJson;
}

export interface JsonLines {
  /** True while `next` has lines without waiting. */
  ready(): boolean;
  /** Reads on; false when there is nothing more. */
  read(): Promise<boolean>;
  /** The next line that is not blank, or undefined until more is read. */
  next(): JsonLine | undefined;
  /** Bytes read. */
  bytes(): number;
  close(): Promise<void>;
}

const LF = 0x0a;
/** A longer line is no record: it is told as an error, not kept. Bytes. */
const LONGEST_LINE = 16 * 1024 * 1024;

export function jsonLines(stream: AsyncIterable<Uint8Array>): JsonLines {
  const chunks = stream[Symbol.asyncIterator]();
  let lines: string[] = [];
  let at = 0;
  let number = 0;
  let bytes = 0;
  let rest: Buffer[] = [];
  let restBytes = 0;
  /** The line under way is too long: what comes of it is thrown away. */
  let skipping = false;
  let ended = false;

  const take = (chunk: Buffer) => {
    const end = chunk.lastIndexOf(LF);
    if (end === -1) {
      hold(chunk);
      return;
    }
    const whole = chunk.subarray(0, end);
    const text = rest.length === 0 ? whole : Buffer.concat([...rest, whole]);
    rest = [];
    restBytes = 0;
    lines = text.toString('utf8').split('\n');
    at = 0;
    if (skipping) {
      lines[0] = TOO_LONG;
      skipping = false;
    }
    if (end + 1 < chunk.length) hold(chunk.subarray(end + 1));
  };
  const hold = (piece: Buffer) => {
    if (skipping) return;
    restBytes += piece.length;
    if (restBytes > LONGEST_LINE) {
      skipping = true;
      rest = [];
      restBytes = 0;
    } else rest.push(Buffer.from(piece)); // a copy: the chunk is a thousand times as large
  };
  const finish = () => {
    ended = true;
    if (skipping) lines = [TOO_LONG];
    else lines = rest.length === 0 ? [] : [Buffer.concat(rest).toString('utf8')];
    at = 0;
    rest = [];
  };

  return {
    ready: () => at < lines.length,
    async read() {
      while (at >= lines.length && !ended) {
        const { done, value } = await chunks.next();
        if (done) finish();
        else {
          bytes += value.byteLength;
          take(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
        }
      }
      return at < lines.length;
    },
    next() {
      while (at < lines.length) {
        const line = lines[at++] ?? '';
        number++;
        const text = number === 1 && line.startsWith('\uFEFF') ? line.slice(1) : line;
        if (line !== TOO_LONG && text.trim() === '') continue;
        return { number, parsed: read(text) };
      }
      return undefined;
    },
    bytes: () => bytes,
    async close() {
      await chunks.return?.();
    },
  };
}

/** No JSON, and no line of a file either: it holds what ends one. */
const TOO_LONG = '\n';

function read(line: string): ParsedJson {
  if (line === TOO_LONG) return { problem: `longer than ${LONGEST_LINE / 1024 / 1024} MiB` };
  // A replacement character is what bytes that are no UTF-8 become; it may also stand there by itself.
  const parsed = parseJson(line);
  return 'problem' in parsed && line.includes('\uFFFD') ? { problem: 'not UTF-8 text' } : parsed;
}
