/**
 * For services whose callbacks cannot go through the proxy: they record what they sent, or received, themselves. The
 * lines are those of the proxy.
 */
import { FARTHEST_MS, isoTime } from '../core/events/iso-time.js';
import {
  ANSWER_LIMIT,
  bodyFields,
  type CallbackRecord,
  callbackLine,
  parseCallbackRecord,
} from './callback-record.js';
import { type CallbackGap, createRecordQueue, type RecordKeeper } from './record-queue.js';
import { redactHeaders } from './redaction.js';

/** A callback as the service knows it. */
export interface ObservedCallback {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Milliseconds since 1970. Default: now, less `durationMs`. */
  readonly startedAt?: number;
  readonly headers?: Readonly<Record<string, unknown>>;
  /** Bytes, text, or a value that was or will be sent as JSON. */
  readonly body?: unknown;
  /** Null when there was no answer. */
  readonly status: number | null;
  readonly durationMs?: number;
  /** Name of the receiver. */
  readonly upstream?: string;
  /** The receiver's words, when it refused. */
  readonly answer?: string;
}

export interface CallbackRecorderOptions {
  /** Takes one line with its line feed: whole or, by throwing, not at all (`openAppend`, say). */
  readonly write: (line: string) => void | Promise<void>;
  readonly onGap: RecordKeeper['onGap'];
  /** Lines that may wait for `write`. Default 10,000. */
  readonly backlogLimit?: number;
  readonly secretHeaders?: readonly string[];
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
}

export interface CallbackRecorder {
  /** Never throws and never waits: what cannot be recorded becomes a gap. */
  recordCallback(callback: ObservedCallback): void;
  /** Waits for `write`, at most so long (default 10,000). Resolves with a gap that nobody was told of. */
  close(options?: { readonly withinMs?: number }): Promise<CallbackGap | undefined>;
}

export function createCallbackRecorder(options: CallbackRecorderOptions): CallbackRecorder {
  const { now = Date.now, write, onGap, secretHeaders = [] } = options;
  const queue = createRecordQueue(
    { onRecord: (record) => write(callbackLine(record)), onGap },
    options.backlogLimit ?? 10_000,
  );
  return {
    recordCallback(callback) {
      const startedAt = callback.startedAt ?? now() - (callback.durationMs ?? 0);
      const at = isoTime(Math.abs(startedAt) <= FARTHEST_MS ? startedAt : now());
      // The body is read now: the service may go on to change it.
      const made = attempt(() => recordOf(callback, at, secretHeaders));
      queue.push({ at, make: made, release: () => {} });
    },
    close: ({ withinMs = 10_000 } = {}) => queue.close(withinMs),
  };
}

/** What `make` makes now, or the error that it throws, to be had later. */
function attempt<T>(make: () => T): () => T {
  try {
    const made = make();
    return () => made;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

function recordOf(callback: ObservedCallback, at: string, secretHeaders: readonly string[]): CallbackRecord {
  const { method, path, headers, body, status, durationMs, upstream, answer } = callback;
  // Parsed, for what a service hands over without types must not become a line that nobody can read.
  return parseCallbackRecord({
    at,
    method,
    path,
    ...(headers && { headers: redactHeaders(plainHeaders(headers), secretHeaders) }),
    ...bodyFields(bytesOf(body)),
    status,
    ...(durationMs !== undefined && durationMs >= 0 && { durationMs }),
    ...(upstream !== undefined && { upstream }),
    ...(answer !== undefined && answer !== '' && { answer: answer.slice(0, ANSWER_LIMIT) }),
  });
}

function plainHeaders(headers: Readonly<Record<string, unknown>>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]) => [name.toLowerCase(), Array.isArray(value) ? value.map(String) : String(value)]),
  );
}

function bytesOf(body: unknown): Buffer {
  if (body === undefined || body === null) return Buffer.alloc(0);
  if (typeof body === 'string') return Buffer.from(body);
  if (body instanceof Uint8Array) return Buffer.from(body);
  return Buffer.from(JSON.stringify(body));
}
