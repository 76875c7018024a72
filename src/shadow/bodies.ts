/** The bodies of one recording, with the legs that they belong to: for what is not a comparison of two paths. */
import { isEventsError } from '../core/errors.js';
import { readBody } from '../legacy/callback-record.js';
import { callbackLines } from './callback-source.js';
import { jsonLines } from './json-lines.js';
import type { Mapping, Side } from './mapping.js';
import type { Observation } from './observation.js';
import { observeCallback, readCallback } from './observe-callback.js';
import { observeEvent, readEvent } from './observe-event.js';

export interface BodiesOptions {
  readonly signal?: AbortSignal;
  onBody(observation: Observation, body: unknown): void;
}

export interface BodiesRead {
  /** Records, whether or not they belong to a leg. */
  readonly lines: number;
  readonly unreadable: number;
  /** The first line that could not be read. */
  readonly first: { readonly line: number; readonly problem: string } | undefined;
}

/**
 * Callbacks that were found fault with and events that are invalid are left out: of these nobody knows that nothing is
 * wrong. Rejects with `input-invalid` for a HAR that cannot be read, and with the signal's reason.
 */
export async function readBodies(
  mapping: Mapping,
  side: Side,
  stream: AsyncIterable<Uint8Array>,
  { signal, onBody }: BodiesOptions,
): Promise<BodiesRead> {
  const lines = jsonLines(side === 'callback' ? callbackLines(stream) : stream);
  const take = side === 'callback' ? takeCallback : takeEvent;
  let count = 0;
  let unreadable = 0;
  let first: BodiesRead['first'];
  try {
    while (await lines.read()) {
      signal?.throwIfAborted();
      for (let line = lines.next(); line !== undefined; line = lines.next()) {
        const { number, parsed } = line;
        const problem =
          'problem' in parsed
            ? `Not JSON: ${parsed.problem}`
            : problemOf(() => take(mapping, parsed.value, number, onBody));
        if (problem === undefined) count++;
        else {
          unreadable++;
          first ??= { line: number, problem };
        }
      }
    }
  } finally {
    await lines.close();
  }
  return { lines: count, unreadable, first };
}

/** What is wrong with the line; undefined for nothing. */
function problemOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (isEventsError(error, 'input-invalid')) return error.message;
    throw error;
  }
}

type Take = (mapping: Mapping, value: unknown, line: number, onBody: BodiesOptions['onBody']) => void;

const takeCallback: Take = (mapping, value, line, onBody) => {
  if (isGap(value)) return;
  const record = readCallback(value);
  const body = readBody(record);
  if (!('value' in body)) return;
  for (const one of observeCallback(mapping, record, '', line).observations) {
    if (one.status < 400 || one.status >= 500) onBody(one, body.value);
  }
};

const takeEvent: Take = (mapping, value, line, onBody) => {
  if (isGap(value)) return;
  const record = readEvent(value);
  if (!record.valid) return;
  for (const one of observeEvent(mapping, record, '', line).observations) {
    if (one.kind === 'event') onBody(one, record.event);
  }
};

function isGap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'gap' in value;
}
