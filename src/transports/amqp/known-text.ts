/**
 * Short texts that come with nearly every message: names of headers, queues, exchanges, content types. Made once and
 * recognised by their bytes: making each of them anew, for every message, is work for nothing.
 */

/** A power of two. What falls into a slot that is taken takes it over. */
const SLOTS = 1_024;
const LONGEST = 64;

interface Known {
  readonly bytes: Uint8Array;
  readonly text: string;
}

const known: (Known | undefined)[] = new Array<Known | undefined>(SLOTS).fill(undefined);

/** The UTF-8 text from `start` to before `end`; what is not UTF-8 becomes U+FFFD. */
export function knownText(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length > LONGEST) return bytes.toString('utf8', start, end);
  let slot = length;
  for (let at = start; at < end; at++) slot = (Math.imul(slot, 31) + (bytes[at] ?? 0)) | 0;
  slot &= SLOTS - 1;
  const there = known[slot];
  if (there !== undefined && isAt(bytes, start, there.bytes, length)) return there.text;
  const text = bytes.toString('utf8', start, end);
  known[slot] = { bytes: Uint8Array.prototype.slice.call(bytes, start, end), text };
  return text;
}

function isAt(bytes: Buffer, start: number, expected: Uint8Array, length: number): boolean {
  if (expected.length !== length) return false;
  for (let at = 0; at < length; at++) if (bytes[start + at] !== expected[at]) return false;
  return true;
}
