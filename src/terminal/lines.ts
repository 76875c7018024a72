/** Lines of a byte stream, one at a time, whatever its size. */
import type { Readable } from 'node:stream';

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without its line end (LF or CRLF). */
  readonly bytes: Buffer;
}

const LF = 0x0a;
const CR = 0x0d;

/** Every line of the stream, the last one with or without a line end. Memory: one line and one chunk. */
export async function* readLines(stream: Readable): AsyncGenerator<Line[]> {
  let number = 0;
  let rest: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const lines: Line[] = [];
    let from = 0;
    for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, from)) {
      const piece = chunk.subarray(from, at);
      const whole = rest.length === 0 ? piece : Buffer.concat([...rest, piece]);
      rest = [];
      number++;
      lines.push({ number, bytes: whole.at(-1) === CR ? whole.subarray(0, -1) : whole });
      from = at + 1;
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
    if (lines.length > 0) yield lines;
  }
  if (rest.length > 0) yield [{ number: number + 1, bytes: Buffer.concat(rest) }];
}
