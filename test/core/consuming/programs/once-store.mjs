// What the programs beside this file share: the compiled store and `once`, as services use them, and effects that
// can be counted from outside, also when this process is killed.
import { appendFileSync, writeSync } from 'node:fs';
import { createOnce } from '../../../../dist/core/consuming/once.js';
import { openIdempotencyStore } from '../../../../dist/storage/idempotency-store.js';

export function openOnce(path, settings) {
  const store = openIdempotencyStore(path);
  return { store, once: createOnce(store, { claimant: `pid ${process.pid}`, ...settings }) };
}

/** Straight to the file: what was written stays written. */
export function note(file, ...words) {
  appendFileSync(file, `${words.join(' ')}\n`);
}

export function print(...words) {
  writeSync(1, `${words.join(' ')}\n`);
}
