/**
 * One callback as a line of JSON: what the recording proxy and `recordCallback` write, and `shadow compare` reads.
 * Field names are a public contract. Lines written elsewhere need `at`, `method`, `path` and `status` only.
 */
import { z } from 'zod';
import { EventsError } from '../core/errors.js';
import { decodeUtf8 } from '../core/events/codec.js';
import { fieldIssues } from '../core/events/field-issues.js';
import { parseJson } from '../core/events/json.js';

/** Why there was no whole answer. */
export const CALLBACK_FAILURES = [
  /** The upstream could not be connected to. */
  'unreachable',
  /** The connection to the upstream went before its answer was whole. */
  'cut',
  /** The caller went before it had the answer; the upstream may or may not have acted. */
  'client-gone',
  /** No upstream is configured for the path. */
  'no-upstream',
  /** The proxy was stopped before the answer came. */
  'stopped',
] as const;

/** Characters of a refusing answer that a record holds. */
export const ANSWER_LIMIT = 4096;

const headerValue = z.union([z.string(), z.array(z.string())]);

const recordSchema = z.looseObject({
  at: z.iso.datetime({ offset: true }),
  method: z.string().min(1),
  path: z.string().min(1),
  headers: z.record(z.string(), headerValue).optional(),
  body: z.unknown().optional(),
  bodyBase64: z.base64().optional(),
  bodyBytes: z.int().min(0).optional(),
  truncated: z.boolean().optional(),
  status: z.int().min(100).max(999).nullable(),
  durationMs: z.number().min(0).optional(),
  upstream: z.string().optional(),
  answer: z.string().optional(),
  failure: z.enum(CALLBACK_FAILURES).optional(),
  cause: z.string().optional(),
});

export interface CallbackRecord {
  /** When the request began, ISO 8601. */
  readonly at: string;
  readonly method: string;
  /** The request target: path and query as they were sent. */
  readonly path: string;
  /** Names in lower case; several of one name as an array. Secrets are replaced by `[redacted]`. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** See `bodyFields`; null for none. */
  readonly body: unknown;
  /** The bytes of a body that is not UTF-8; `body` is then null. */
  readonly bodyBase64?: string;
  /** With `truncated`: how many bytes of the body went by. */
  readonly bodyBytes?: number;
  /** Only the start of the body is here: it was too long, or its sender or receiver stopped early. */
  readonly truncated?: boolean;
  /** Status of the upstream's answer; null when there was none. */
  readonly status: number | null;
  /** From the request's start to the end of the answer. */
  readonly durationMs?: number;
  /** Name of the upstream. */
  readonly upstream?: string;
  /** With a status of 400 and more: the start of the answer's text, the receiver's own words. */
  readonly answer?: string;
  readonly failure?: (typeof CALLBACK_FAILURES)[number];
  /** With `failure`: what the system called it (`ECONNREFUSED`). */
  readonly cause?: string;
}

/**
 * The record of a parsed line; fields it does not know are kept. Throws `input-invalid` with the fields that are
 * wrong, and none of their content.
 */
export function parseCallbackRecord(value: unknown): CallbackRecord {
  const result = recordSchema.safeParse(value);
  if (result.success) return { ...result.data, body: result.data.body ?? null } as CallbackRecord;
  throw new EventsError('input-invalid', 'Not a callback record', {
    issues: fieldIssues(result.error.issues),
    hint: 'Expected {"at","method","path","body","status"}: a line that the shadow proxy wrote, or one alike. "status" is null when there was no answer.',
  });
}

/** The record of one line of text. Throws `input-invalid`. */
export function readCallbackLine(line: string): CallbackRecord {
  const parsed = parseJson(line.replace(/^\uFEFF/, ''));
  if ('problem' in parsed) throw new EventsError('input-invalid', `Not JSON: ${parsed.problem}`);
  return parseCallbackRecord(parsed.value);
}

/** One line, with its line feed. `readCallbackLine` of it gives the same record. */
export function callbackLine(record: CallbackRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/**
 * The bytes of a body as fields from which `bodyBytesOf` gives the same bytes: the JSON value where writing it back
 * makes the very same text, else the text, else base64. A text in `body` is thus always the body itself.
 */
export function bodyFields(bytes: Buffer): Pick<CallbackRecord, 'body' | 'bodyBase64'> {
  if (bytes.length === 0) return { body: null };
  const text = textOf(bytes);
  if (text === undefined) return { body: null, bodyBase64: bytes.toString('base64') };
  // In brackets, for the line that holds it is nested one deeper, and must not be too deep to be read.
  const parsed = parseJson(`[${text}]`);
  const value: unknown = 'value' in parsed && Array.isArray(parsed.value) ? parsed.value[0] : null;
  const faithful = value !== null && typeof value !== 'string' && JSON.stringify(value) === text;
  return { body: faithful ? value : text };
}

/** The same for the start of a longer body: always text, or base64, and without half a character at its end. */
export function startFields(start: Buffer): Pick<CallbackRecord, 'body' | 'bodyBase64'> {
  if (start.length === 0) return { body: null };
  for (let cut = 0; cut < 4; cut++) {
    const text = textOf(start.subarray(0, start.length - cut));
    if (text !== undefined) return { body: text };
  }
  return { body: null, bodyBase64: start.toString('base64') };
}

/** The bytes of the body as they were sent. */
export function bodyBytesOf({ body, bodyBase64 }: Pick<CallbackRecord, 'body' | 'bodyBase64'>): Buffer {
  if (bodyBase64 !== undefined) return Buffer.from(bodyBase64, 'base64');
  if (body === null || body === undefined) return Buffer.alloc(0);
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

/** What the body says, or why that cannot be told (without any piece of it). */
export function readBody(record: CallbackRecord): { readonly value: unknown } | { readonly problem: string } {
  const { body } = record;
  if (record.truncated === true) return { problem: 'only the start of the body was recorded' };
  if (record.bodyBase64 !== undefined) return { problem: 'the body is not UTF-8 text' };
  if (body === null || body === undefined) return { problem: 'there is no body' };
  if (typeof body !== 'string') return { value: body };
  const parsed = parseJson(body);
  return 'value' in parsed ? parsed : { problem: `the body is not JSON: ${parsed.problem}` };
}

function textOf(bytes: Buffer): string | undefined {
  try {
    return decodeUtf8(bytes);
  } catch {
    return undefined; // binary: base64 keeps it
  }
}
