/** What a consumer cannot solve by itself, as it tells `onTrouble`, and in words. */
import { isEventsError, messageOf } from '../errors.js';
import type { ReceivedMessage } from '../message.js';

/** A delivery is kept in hand until this succeeds. */
export interface HeldBack {
  /**
   * | kind | what does not succeed |
   * |---|---|
   * | `retry-copy` | publishing it to its delay queue |
   * | `dead-letter` | publishing it to where dead letters go |
   * | `store` | reading or writing its record in the idempotency store |
   * | `settle` | acking it, or handing it back |
   */
  readonly kind: 'retry-copy' | 'dead-letter' | 'store' | 'settle';
  readonly error: unknown;
  /** As it was first published. */
  readonly message: ReceivedMessage;
  /** Milliseconds since the first try. */
  readonly heldMs: number;
  /** Milliseconds until the next try; undefined while a try still waits for its answer. */
  readonly nextTryMs?: number;
}

/**
 * With an order: all that the prefetch allows is in hand, and waits for the next attempt of an event that failed, or of
 * several. Nothing is handled until then.
 */
export interface Halted {
  readonly kind: 'halted';
  /** What is tried next, as it was first published, and why it failed. */
  readonly message: ReceivedMessage;
  readonly error: unknown;
  /** Milliseconds until then. */
  readonly nextTryMs: number;
  /** Deliveries in hand. */
  readonly inHand: number;
}

export type Trouble = { readonly queue: string } & (
  | HeldBack
  /** The circuit opened: nothing is taken for `nextTryMs`. */
  | { readonly kind: 'circuit-open'; readonly error: unknown; readonly nextTryMs: number }
  | Halted
  /** The queue cannot be consumed again after the circuit was open. */
  | { readonly kind: 'consume'; readonly error: unknown; readonly nextTryMs: number }
  /** The consumer is over: its queue is gone, say. */
  | { readonly kind: 'ended'; readonly error: unknown }
  /** An effect of `once` happened, which cannot be noted: its handler waits. */
  | { readonly kind: 'once'; readonly error: unknown; readonly key: string }
  /** A delivery nears the time after which RabbitMQ cuts its consumer off. */
  | { readonly kind: 'overdue'; readonly message: ReceivedMessage; readonly heldMs: number }
);

/** One line that says what is held back, why, and what to do. May hold text from outside. */
export function describeTrouble(trouble: Trouble): string {
  const { queue } = trouble;
  switch (trouble.kind) {
    case 'retry-copy':
      return `${nameOf(trouble.message)} in ${queue} waits: its retry copy cannot be published. ${reason(trouble)}`;
    case 'dead-letter':
      return `${nameOf(trouble.message)} in ${queue} waits: its dead letter cannot be published. ${reason(trouble)}`;
    case 'store':
      return `${nameOf(trouble.message)} in ${queue} waits: the idempotency store does not answer. ${reason(trouble)}`;
    case 'settle':
      return `${nameOf(trouble.message)} in ${queue} waits: it cannot be settled. ${reason(trouble)}`;
    case 'circuit-open':
      return `The consumer of ${queue} takes nothing for ${seconds(trouble.nextTryMs)}, because its handlers keep failing; the queue keeps the events. Last failure: ${messageOf(trouble.error)}`;
    case 'halted':
      return `The consumer of ${queue} handles nothing until ${nameOf(trouble.message)} is tried again in ${seconds(trouble.nextTryMs)}: it failed, and all of the ${trouble.inHand} deliveries that the prefetch allows wait for it, or for others that failed, because events of one key keep their order. Last failure: ${sentence(messageOf(trouble.error))} If trying again cannot help, have the handler throw a PermanentError; a larger prefetch leaves room for other keys.`;
    case 'consume':
      return `${queue} cannot be consumed. ${reason(trouble)}`;
    case 'ended':
      return `The consumer of ${queue} has ended: ${sentence(messageOf(trouble.error))} Nobody consumes for it now. ${hintOf(trouble.error)}Start the service again.`;
    case 'once':
      return `An effect in ${queue} has happened, but that cannot be noted under ${JSON.stringify(trouble.key)}; its handler waits. ${sentence(messageOf(trouble.error))} ${hintOf(trouble.error)}Nothing is lost as long as this process lives.`;
    case 'overdue':
      return `${nameOf(trouble.message)} in ${queue} has been in hand for ${seconds(trouble.heldMs)}. RabbitMQ cuts a consumer off after 30 minutes (consumer_timeout) and delivers again all that it holds: shorten the handler's work, or raise that limit.`;
  }
}

function nameOf({ properties, routingKey }: ReceivedMessage): string {
  const what = properties.type ?? routingKey;
  return properties.messageId === undefined
    ? JSON.stringify(what)
    : `${JSON.stringify(what)} ${JSON.stringify(properties.messageId)}`;
}

function reason({ error, nextTryMs }: { readonly error: unknown; readonly nextTryMs?: number }): string {
  const next = nextTryMs === undefined ? 'still waiting' : `next try in ${seconds(nextTryMs)}`;
  return `${sentence(messageOf(error))} ${hintOf(error)}Nothing is lost; ${next}.`;
}

function hintOf(error: unknown): string {
  return isEventsError(error) && error.hint !== undefined ? `${error.hint} ` : '';
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function seconds(ms: number): string {
  if (ms < 120_000) return `${Number((ms / 1000).toFixed(1))} s`;
  return `${Number((ms / 60_000).toFixed(1))} min`;
}
