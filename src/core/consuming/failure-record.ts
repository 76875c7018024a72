/**
 * Why a consumer gave a message up, written into the header `x-failure` of the dead letter as one table, so that it
 * can be read, grouped and moved as a whole. Dead letters that other software rejected carry only `x-death`.
 */
import { createHash } from 'node:crypto';
import { type HeaderValue, plainHeader, type ReceivedMessage } from '../message.js';

export const HEADER_FAILURE = 'x-failure';

/**
 * | reason | the consumer gave up because |
 * |---|---|
 * | `exhausted` | the last attempt failed, too |
 * | `permanent` | the handler said that trying again cannot help |
 * | `invalid` | the message is not a valid event of the catalog |
 * | `no-handler` | a valid event that this consumer has no handler for |
 * | `effect-unknown` | an earlier run died between an effect and the note that it was done |
 */
export const FAILURE_REASONS = ['exhausted', 'permanent', 'invalid', 'no-handler', 'effect-unknown'] as const;
export type FailureReason = (typeof FAILURE_REASONS)[number];

export interface FailureRecord {
  readonly reason: FailureReason;
  /** Name of the exception: `TypeError`. */
  readonly exception: string;
  /** At most 1,000 characters. */
  readonly message: string;
  /** At most 4,000 characters; absent where there was no exception to have one. */
  readonly stack?: string;
  /** How often the handler ran and failed; 0 when it never ran. */
  readonly attempts: number;
  /** ISO 8601. */
  readonly firstFailedAt: string;
  readonly lastFailedAt: string;
  /** The queue it was consumed from. */
  readonly queue: string;
  /** Name of the consumer, as the service chose it. */
  readonly consumer: string;
  /** Version of the schema that the catalog has for the type; absent for unknown types. */
  readonly version?: number;
  /** Exchange and routing key that it was first published with. */
  readonly exchange: string;
  readonly routingKey: string;
  /** Same failure, same fingerprint: see `fingerprintOf`. */
  readonly fingerprint: string;
  /** The message's own time to live (milliseconds), which the dead letter lost so as not to expire. */
  readonly expiration?: string;
  /** The user id it was published with, which RabbitMQ takes from nobody else: a note, not proof. */
  readonly userId?: string;
  /** Further routing keys it was published with (header `CC`), which must not route the dead letter. */
  readonly cc?: readonly string[];
  /** The consumer died while it gave the message up: the same dead letter may be there twice. */
  readonly possibleDuplicate?: boolean;
}

const LONGEST_MESSAGE = 1_000;
const LONGEST_STACK = 4_000;

/** Name, message and stack of anything thrown, cut to what fits into a header. */
export function describeError(error: unknown): Pick<FailureRecord, 'exception' | 'message' | 'stack'> {
  if (!(error instanceof Error))
    return { exception: typeof error, message: cut(String(error), LONGEST_MESSAGE) };
  return {
    exception: error.name || 'Error',
    message: cut(error.message, LONGEST_MESSAGE),
    ...(error.stack !== undefined && { stack: cut(error.stack, LONGEST_STACK) }),
  };
}

/**
 * Twelve hexadecimal digits that failures of one cause have in common: of the exception's name, its message without
 * what differs from case to case (ids, numbers, quoted values, addresses), and the top frame of its stack (function and
 * file name).
 */
export function fingerprintOf(failure: Pick<FailureRecord, 'exception' | 'message' | 'stack'>): string {
  const text = [failure.exception, normalise(failure.message), topFrame(failure.stack)].join('\n');
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** The message with `<id>`, `<n>`, `<text>` and `<address>` for what differs from case to case. */
export function normalise(message: string): string {
  return message
    .replace(/[^\s"'<>(),;]+@[^\s"'<>(),;]+/g, '<address>')
    .replace(/"[^"]*"|'[^']*'|`[^`]*`/g, '<text>')
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, '<id>')
    .replace(/\b(?=[0-9a-f]*\d)[0-9a-f]{12,}\b/gi, '<id>')
    .replace(/\d+/g, '<n>');
}

/** The header's value; write it beside the message's other headers. */
export function failureHeader(record: FailureRecord): HeaderValue {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}

/** The failure record of a dead letter, or undefined when it has none that can be read. */
export function readFailure({ properties }: Pick<ReceivedMessage, 'properties'>): FailureRecord | undefined {
  const raw = properties.headers?.[HEADER_FAILURE];
  if (raw === undefined) return undefined;
  const value: unknown = plainHeader(raw);
  return isFailureRecord(value) ? value : undefined;
}

const TEXTS = [
  'exception',
  'message',
  'firstFailedAt',
  'lastFailedAt',
  'queue',
  'consumer',
  'exchange',
  'routingKey',
  'fingerprint',
] as const;

/** Headers and notes come from outside: only what has the shape of a record is one. */
export function isFailureRecord(record: unknown): record is FailureRecord {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) return false;
  const value = record as { readonly [name: string]: unknown };
  return (
    TEXTS.every((name) => typeof value[name] === 'string') &&
    typeof value.attempts === 'number' &&
    FAILURE_REASONS.some((reason) => reason === value.reason) &&
    isAbsentOr(value.stack, 'string') &&
    isAbsentOr(value.version, 'number') &&
    isAbsentOr(value.expiration, 'string') &&
    isAbsentOr(value.userId, 'string') &&
    (value.cc === undefined || isTexts(value.cc)) &&
    isAbsentOr(value.possibleDuplicate, 'boolean')
  );
}

function isAbsentOr(value: unknown, type: 'string' | 'number' | 'boolean'): boolean {
  return value === undefined || typeof value === type;
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/**
 * The first frame as function and file name. Without its position, because a line more above it must not make another
 * fingerprint; without its folder, because that differs from host to host and from release to release.
 */
function topFrame(stack: string | undefined): string {
  const frame = stack?.split('\n').find((line) => line.trimStart().startsWith('at '));
  if (frame === undefined) return '';
  const place = frame.trim().replace(/:\d+:\d+(\)?)$/, '$1');
  return place.endsWith(')')
    ? place.replace(/\(.*[\\/]/, '(')
    : place.replace(/^at (?:async )?.*[\\/]/, 'at ');
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
