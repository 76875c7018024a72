/** A file of callbacks, whichever of the two kinds it is: lines that the proxy recorded, or a HAR. */
import { EventsError } from '../core/errors.js';
import { callbackLine } from '../legacy/callback-record.js';
import { callbacksOfHar } from '../legacy/har.js';

/** A HAR is one JSON text and has to be read as a whole. Bytes. */
const LARGEST_HAR = 512 * 1024 * 1024;
/** Enough for a byte order mark, white space and the first key. */
const PEEKED = 1_024;
const HAR_BEGINS = /^\uFEFF?\s*\{\s*"log"\s*:/;

/** The bytes of lines of callbacks. Throws `input-invalid` for a HAR that cannot be read. */
export async function* callbackLines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunks = stream[Symbol.asyncIterator]();
  try {
    const held: Uint8Array[] = [];
    let size = 0;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
      held.push(next.value);
      size += next.value.byteLength;
      if (size >= PEEKED) break;
    }
    if (!HAR_BEGINS.test(Buffer.concat(held).subarray(0, PEEKED).toString('utf8'))) {
      yield* held;
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
      return;
    }
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
      held.push(next.value);
      size += next.value.byteLength;
      if (size > LARGEST_HAR) throw tooLarge();
    }
    const records = callbacksOfHar(Buffer.concat(held).toString('utf8'));
    // Entries are in the order in which pages were loaded, not in that of time.
    const ordered = records.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
    for (const record of ordered) yield Buffer.from(callbackLine(record));
  } finally {
    await chunks.return?.();
  }
}

function tooLarge(): EventsError {
  return new EventsError('input-invalid', `The HAR file is larger than ${LARGEST_HAR / 1024 / 1024} MiB`, {
    hint: 'Split it, or turn it into lines of {"at","method","path","body","status"}, which may be any number.',
  });
}
