/**
 * The one error family of atma-events. Every error that a caller can act on is an `EventsError` with a
 * literal `code`; a new code does not compile until `terminal/exit-codes.ts` gives it an exit code.
 */
export type ErrorCode =
  /** Wrong option, argument or environment variable. */
  | 'usage'
  /** The config file, preset or profile cannot be used. */
  | 'config-invalid'
  /** No event of that type in the catalog. */
  | 'event-unknown'
  /** The data do not fit the event's schema; see `issues`. */
  | 'event-invalid'
  /** A line or file is not readable as what it should hold (not JSON, say). */
  | 'input-invalid'
  /** Mandatory message that no queue is bound for. */
  | 'unroutable'
  /** The exchange does not exist. */
  | 'exchange-missing'
  /** The queue does not exist. */
  | 'queue-missing'
  /** The queue exists but is exclusive to another connection, or held by one. */
  | 'queue-locked'
  /** The broker refused the message (a full queue with reject-publish, a disk limit). */
  | 'publish-refused'
  /** The connection went before the confirm came: the message may or may not be there. */
  | 'publish-unknown'
  /** An entity exists with other attributes than asked for. */
  | 'topology-conflict'
  /** The broker or endpoint cannot be reached, or ended the connection for good. */
  | 'unreachable'
  /** The broker was reached and refuses: credentials, virtual host, permissions, TLS. */
  | 'access-refused'
  /** The transport has no such feature; see `TransportFeatures`. */
  | 'unsupported'
  /** Another works on the same key of an idempotency store, and did so for as long as was waited. */
  | 'busy'
  /** Nobody can tell whether an effect under `once` happened: whoever began it died before its end was noted. */
  | 'effect-unknown'
  /** A service refused a callback (HTTP 4xx): it would refuse it again. */
  | 'callback-refused'
  /** The flag file cannot be used: not there, not readable, or not what flagd and this software understand. */
  | 'flag-invalid'
  /** Somebody else moved the flag meanwhile: what was decided was decided about another state. */
  | 'flag-moved'
  /** What a move of the flag needs is not there; the message says what. */
  | 'gate-refused'
  /** Storage is full, read-only or damaged. */
  | 'storage'
  /** The transport was closed while the call waited. */
  | 'closed'
  /** A wait passed its limit. */
  | 'timeout'
  /** A signal ended the work. */
  | 'interrupted';

/** One problem of one field. `path` is dotted, empty for the whole value. */
export interface FieldIssue {
  readonly path: string;
  readonly message: string;
}

export interface ErrorDetails {
  /** What to do next, as one or more plain sentences. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Per-field problems, with code `event-invalid` or `config-invalid`. */
  readonly issues?: readonly FieldIssue[];
  /** Id of the event that was being published. */
  readonly eventId?: string;
}

/** An error with a stable `code`, a `hint` for the person who reads it, and the `cause` underneath. */
export class EventsError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly issues: readonly FieldIssue[];
  /** Set when a publish failed: publish again with this id where the outcome is unknown. */
  readonly eventId: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'EventsError';
    this.code = code;
    this.hint = details.hint;
    this.issues = details.issues ?? [];
    this.eventId = details.eventId;
  }
}

/**
 * True for an `EventsError`, narrowed to `code` when one is given. Known by its name, not its class: a config
 * file may bring errors of another copy of this package.
 */
export function isEventsError(error: unknown, code?: ErrorCode): error is EventsError {
  if (!(error instanceof Error) || error.name !== 'EventsError' || !('code' in error)) return false;
  return code === undefined || error.code === code;
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A mandatory message that no queue is bound for; '' is the default exchange. Every transport says it alike. */
export function unroutable(exchange: string, routingKey: string): EventsError {
  const message =
    exchange === ''
      ? `there is no queue "${routingKey}"`
      : `no queue is bound for "${routingKey}" on exchange "${exchange}"`;
  return new EventsError('unroutable', message, {
    hint: 'Run setup to create the queues and bindings, or check the routing key.',
  });
}

export function exchangeMissing(exchange: string, cause?: unknown): EventsError {
  return new EventsError('exchange-missing', `exchange "${exchange}" does not exist`, {
    hint: 'Run setup first, or check the exchange name.',
    cause,
  });
}

export function queueMissing(queue: string, cause?: unknown): EventsError {
  return new EventsError('queue-missing', `queue "${queue}" does not exist`, {
    hint: 'Run setup first, or check the queue name.',
    cause,
  });
}
