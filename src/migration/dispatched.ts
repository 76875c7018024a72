/** What a dispatch came to, and what the dispatcher tells on the side. */
import { EventsError, isEventsError, messageOf } from '../core/errors.js';
import type { Stage } from '../core/migration/stage.js';

/**
 * What became of one callback:
 * - `sent`: the service took it (2xx), after as many tries as it needed;
 * - `queued`: in dry run, and nobody waits for it; a failure is told as a trouble;
 * - `not-sent`: the stage, the sample or a full backlog keeps it back;
 * - `failed`: refused, or given up after its tries.
 */
export interface CallbackOutcome {
  readonly service: string;
  readonly outcome: 'sent' | 'queued' | 'not-sent' | 'failed';
  /** HTTP status, where one is known. */
  readonly status?: number;
}

/**
 * What became of the event:
 * - `none`: the stage has no events;
 * - `stored`: the publisher has it (on disk, with an outbox);
 * - `pending`: callbacks are authoritative and done, and the publisher had not answered by then;
 * - `failed`: callbacks are authoritative, and the publisher refused it; told as a trouble.
 */
export type EventOutcome = 'none' | 'stored' | 'pending' | 'failed';

export interface Dispatched {
  readonly stage: Stage;
  /** Counts the flips of the flag; 0 without a flag file. */
  readonly epoch: number;
  /** The key under which both paths have their effects once. */
  readonly fact: string;
  readonly event: EventOutcome;
  /** One per route of the event's type, in the order of the routes. */
  readonly callbacks: readonly CallbackOutcome[];
}

/** Which fact a trouble is about. */
export interface AboutFact {
  readonly type: string;
  readonly fact: string;
  readonly stage: Stage;
}

/** What goes wrong without making a dispatch reject. */
export type DispatchTrouble =
  /** Callbacks are authoritative and go out; as an event these data will be refused once events count. */
  | (AboutFact & { readonly kind: 'event-invalid'; readonly error: unknown })
  /** Callbacks are authoritative; the event that goes beside them was not stored. */
  | (AboutFact & { readonly kind: 'event-failed'; readonly error: unknown })
  /** A callback in dry run failed: nothing happened to anybody, but shadow mode misses it. */
  | (AboutFact & { readonly kind: 'callback-failed'; readonly service: string; readonly error: unknown })
  /** Too many callbacks in dry run wait: those of this fact are not sent, and its event is stamped so. */
  | (AboutFact & { readonly kind: 'callbacks-skipped'; readonly backlog: number });

/** A trouble as one sentence, for a log. Not yet made fit for a terminal. */
export function describeDispatchTrouble(trouble: DispatchTrouble): string {
  const { type, fact, stage } = trouble;
  const which = `${type} (${fact}, ${stage})`;
  switch (trouble.kind) {
    case 'event-invalid':
      return `${which}: the callbacks go out, but these data are no valid event and will be refused from live on: ${messageOf(trouble.error)}`;
    case 'event-failed':
      return `${which}: the callbacks go out, but the event was not stored: ${messageOf(trouble.error)}`;
    case 'callback-failed':
      return `${which}: the callback to ${trouble.service}, in dry run, failed: ${messageOf(trouble.error)}`;
    case 'callbacks-skipped':
      return `${which}: ${trouble.backlog} callbacks in dry run wait already; those of this fact are not sent`;
  }
}

interface FailedCallback {
  readonly service: string;
  readonly error?: unknown;
}

/**
 * What a dispatch rejects with when callbacks are authoritative and some failed: the code of the first, all of them in
 * the text and, as an AggregateError, in the cause.
 */
export function callbacksFailed(
  { type, fact }: AboutFact,
  of: number,
  failed: readonly [FailedCallback, ...FailedCallback[]],
): EventsError {
  const [first] = failed;
  const each = failed.map(({ service, error }) => `${service}: ${messageOf(error)}`).join('; ');
  const message = `${failed.length} of ${of} callbacks of ${type} (${fact}) failed: ${each}`;
  return new EventsError(isEventsError(first.error) ? first.error.code : 'unreachable', message, {
    hint: 'Dispatch the same fact again when it may pass: services that had its callback know it by its key.',
    cause: new AggregateError(
      failed.map(({ error }) => error),
      message,
    ),
  });
}
