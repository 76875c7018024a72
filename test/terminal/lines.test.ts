import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { readLines } from '../../src/terminal/lines.js';

async function linesOf(...chunks: (string | Buffer)[]): Promise<[number, string][]> {
  const lines: [number, string][] = [];
  for await (const batch of readLines(Readable.from(chunks.map((chunk) => Buffer.from(chunk))))) {
    for (const { number, bytes } of batch) lines.push([number, bytes.toString()]);
  }
  return lines;
}

describe('lines of a stream', () => {
  it('are the same however the stream is cut into chunks', async () => {
    const text = 'one\ntwo\r\n\nfour é 🎉\nlast';
    const whole = await linesOf(text);
    expect(whole).toEqual([
      [1, 'one'],
      [2, 'two'],
      [3, ''],
      [4, 'four é 🎉'],
      [5, 'last'],
    ]);
    const bytes = Buffer.from(text);
    for (let at = 1; at < bytes.length; at++) {
      expect(await linesOf(bytes.subarray(0, at), bytes.subarray(at))).toEqual(whole);
    }
  });

  it('are none in an empty stream, and a final line end adds none', async () => {
    expect(await linesOf()).toEqual([]);
    expect(await linesOf('a\n')).toEqual([[1, 'a']]);
  });
});
