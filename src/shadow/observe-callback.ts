/** A recorded callback as an observation. */
import { EventsError } from '../core/errors.js';
import { type CallbackRecord, readBody } from '../legacy/callback-record.js';
import { blamesBody, driftsOf, NO_DRIFTS } from './drift.js';
import type { Leg, Mapping } from './mapping.js';
import { type Extra, type Observation, type Observed, UNKNOWN_STATUS } from './observation.js';
import { contentOf, countUnmapped, jobOf, timeOf } from './observe.js';
import { redactWords } from './redact-words.js';
import type { UnmappedCounter } from './unmapped.js';
import { ABSENT, shortText } from './values.js';

/** A record whose fields were checked, as far as they are looked at. */
export type ReadCallback = CallbackRecord & { readonly atMs: number };

/**
 * The record that a line holds. Throws `input-invalid` with what is wrong. By hand: the schema of the records, which
 * looks at every field, would take longer than all the rest of a comparison.
 */
export function readCallback(value: unknown): ReadCallback {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('expected an object');
  const { at, method, path, status, durationMs } = value as { readonly [name: string]: unknown };
  const atMs = timeOf(at);
  if (Number.isNaN(atMs)) throw wrong('"at" is not an ISO 8601 time');
  if (typeof method !== 'string') throw wrong('"method" is not a text');
  if (typeof path !== 'string') throw wrong('"path" is not a text');
  // A status that is not there must not pass for "no answer": that would be a claim about the receiver.
  if (status !== null && typeof status !== 'number') throw wrong('"status" is neither a number nor null');
  if (durationMs !== undefined && durationMs !== null && typeof durationMs !== 'number') {
    throw wrong('"durationMs" is not a number');
  }
  return Object.assign(value as unknown as CallbackRecord, { atMs });
}

function wrong(what: string): EventsError {
  return new EventsError('input-invalid', `Not a recorded callback: ${what}`, {
    hint: 'A line is {"at","method","path","body","status"}, as shadow run records it.',
  });
}

/** What a callback says about which leg. `line` is where it came from, for reports. */
export function observeCallback(
  mapping: Mapping,
  record: ReadCallback,
  source: string,
  line: number,
  unmapped?: UnmappedCounter,
): Observed {
  const path = bare(record.path);
  const route = mapping.routes(path).find(({ method }) => method === record.method);
  const what = shortText(`${record.method} ${path}`);
  if (route === undefined) return extra({ source, at: record.atMs, line, reason: 'unknown-route', what });
  const { leg, alias } = route;
  const read = readBody(record);
  if ('problem' in read) {
    return extra({ source, at: record.atMs, line, reason: 'no-job', what: `${what} (${read.problem})` });
  }
  const body = read.value;
  const job = jobOf(leg, 'callback', body);
  if (job === undefined) return extra({ source, at: record.atMs, line, reason: 'no-job', what });
  countUnmapped(unmapped, leg, 'callback', body);

  const status = statusOf(record);
  const refused = status < 200 || status >= 400;
  const { tokens, values, identity } = contentOf(leg, 'callback', body);
  const observation: Observation = {
    source,
    kind: 'callback',
    leg: leg.index,
    job,
    at: record.atMs,
    tokens,
    identity,
    message: ABSENT,
    line,
    status,
    tookMs: record.durationMs ?? ABSENT,
    valid: true,
    via: undefined,
    alias: alias ? path : undefined,
    drifts: refused && blamesBody(status) ? driftsOf(leg.route, body) : NO_DRIFTS,
    words: refused ? wordsOf(record, leg, body) : undefined,
    more: 0,
    values,
    shown: undefined,
  };
  return { observations: [observation], extra: [] };
}

/** Without query, and without the slash that some clients put at the end. */
function bare(path: string): string {
  const query = path.indexOf('?');
  const only = query === -1 ? path : path.slice(0, query);
  return only.length > 1 && only.endsWith('/') ? only.slice(0, -1) : only;
}

/** Whoever went first had no answer, which does not say that there was none. */
function statusOf({ status, failure }: CallbackRecord): number {
  if (status !== null) return status;
  return failure === 'client-gone' || failure === 'stopped' ? UNKNOWN_STATUS : 0;
}

/** What went wrong on the way to the receiver, for people. */
const TROUBLE: { readonly [failure in NonNullable<CallbackRecord['failure']>]: string } = {
  unreachable: 'it could not be connected to',
  cut: 'the connection to it was cut',
  'client-gone': 'the caller went away',
  'no-upstream': 'the proxy knows no upstream for that path',
  stopped: 'the proxy was stopped',
};

/** The receiver's, or what went wrong on the way to it. */
function wordsOf({ answer, failure, cause }: CallbackRecord, leg: Leg, body: unknown): string | undefined {
  if (answer !== undefined && answer !== '') {
    return shortText(redactWords(answer, body, leg.callback.redacted));
  }
  if (failure === undefined) return undefined;
  // Lines may come from anywhere: a failure that is none of ours is told as it is.
  const trouble = TROUBLE[failure] ?? failure;
  return shortText(cause === undefined ? trouble : `${trouble} (${cause})`);
}

function extra(one: Extra): Observed {
  return { observations: [], extra: [one] };
}
