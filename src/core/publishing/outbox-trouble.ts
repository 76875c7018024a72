/** What keeps an outbox from sending: what it concerns, and in words. */
import { isEventsError, messageOf } from '../errors.js';

interface Held {
  readonly error: unknown;
  /** When it began, milliseconds since 1970. */
  readonly since: number;
  /** Tries so far. */
  readonly tries: number;
  /** Milliseconds until the next one. */
  readonly nextTryMs: number;
  /** Entries on disk, of all lanes. */
  readonly waiting: number;
}

export type OutboxTrouble = Held &
  (
    | /** Nothing can be sent. */ { readonly kind: 'line' }
    /** Nothing can be sent to this exchange with this routing key; the rest is. */
    | { readonly kind: 'lane'; readonly exchange: string; readonly routingKey: string }
    /** This one message is refused, and set aside; the rest of its lane is sent. */
    | {
        readonly kind: 'message';
        readonly exchange: string;
        readonly routingKey: string;
        readonly messageId: string | undefined;
      }
    /** The file cannot be read: nothing is sent meanwhile. */
    | { readonly kind: 'read' }
    /** What was confirmed cannot be removed from the file: if the process ended now, the next one would send it again. */
    | { readonly kind: 'remove' }
  );

/**
 * What has to wait after a failed publish, and whether the message alone may be the reason. Pure.
 *
 * | code | waits | may be the message's own |
 * |---|---|---|
 * | unreachable, timeout, closed, storage, busy, interrupted | everything | no |
 * | publish-unknown | everything | yes: there are messages that break a connection |
 * | unroutable, exchange-missing, access-refused | its lane | no: the next one of the lane fares alike |
 * | publish-refused, and whatever else | its lane | yes |
 */
export function judgeFailure(error: unknown): {
  readonly holds: 'line' | 'lane';
  readonly maybeMessage: boolean;
} {
  const code = isEventsError(error) ? error.code : undefined;
  switch (code) {
    case 'unreachable':
    case 'timeout':
    case 'closed':
    case 'storage':
    case 'busy':
    case 'interrupted':
      return { holds: 'line', maybeMessage: false };
    case 'publish-unknown':
      return { holds: 'line', maybeMessage: true };
    case 'unroutable':
    case 'exchange-missing':
    case 'access-refused':
      return { holds: 'lane', maybeMessage: false };
    default:
      return { holds: 'lane', maybeMessage: true };
  }
}

/** One line that says what waits, why, and what to do. May hold text from outside: make it safe before it is shown. */
export function describeOutboxTrouble(trouble: OutboxTrouble): string {
  const { waiting } = trouble;
  const all = `${waiting} ${waiting === 1 ? 'message waits' : 'messages wait'} in the outbox`;
  switch (trouble.kind) {
    case 'line':
      return `Nothing can be sent; ${all}. ${reason(trouble)}`;
    case 'lane':
      return `Nothing can be sent ${target(trouble)}; the rest is. ${all}. ${reason(trouble)}`;
    case 'message':
      return `Message ${JSON.stringify(trouble.messageId ?? '(no id)')} ${target(trouble)} is refused while others are taken; it is set aside. ${reason(trouble)}`;
    case 'read':
      return `The outbox cannot be read, so nothing is sent; ${all}. ${reason(trouble)}`;
    case 'remove':
      return `What was sent cannot be removed from the outbox, and would be sent again by the next process. ${reason(trouble)}`;
  }
}

function target({ exchange, routingKey }: { exchange: string; routingKey: string }): string {
  return exchange === ''
    ? `to queue ${JSON.stringify(routingKey)}`
    : `to exchange ${JSON.stringify(exchange)} with routing key ${JSON.stringify(routingKey)}`;
}

function reason({ error, nextTryMs }: Held): string {
  const text = messageOf(error);
  const hint = isEventsError(error) && error.hint !== undefined ? ` ${error.hint}` : '';
  const next = `${Number((nextTryMs / 1000).toFixed(1))} s`;
  return `${/[.!?]$/.test(text) ? text : `${text}.`}${hint} Nothing is lost; next try in ${next}.`;
}
