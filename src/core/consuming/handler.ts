/** What a service writes: a handler per event type, and what each call of it gets. */
import type { EventMap, ReceivedData } from '../events/catalog.js';
import type { Envelope } from '../events/envelope.js';
import type { ReceivedMessage } from '../message.js';
import type { RunEffect } from '../migration/effect.js';
import type { Stage } from '../migration/stage.js';
import type { OnceOptions, OnceResult } from './once.js';

/** `once` for the event being handled; see `Once` for what it promises. */
export interface HandlerOnce {
  /**
   * Under the id of this event in this queue. At most once per handler call: a second effect needs a key of its own.
   * Rejects with `usage` for an event that came without a message id, and the event goes to the DLQ: it needs a key.
   */
  <T>(effect: () => T, options?: OnceOptions): Promise<OnceResult<Awaited<T>>>;
  /** Under a key of the business (`refund:<job>`), which every consumer and process with the same store shares. */
  <T>(key: string, effect: () => T, options?: OnceOptions): Promise<OnceResult<Awaited<T>>>;
}

export interface HandlerContext {
  /** As it was first published, without the traces of retries and replays; numbers in its headers are plain. */
  readonly message: ReceivedMessage;
  /** How often the handler has failed with this event: 0 the first time. */
  readonly attempt: number;
  /** Aborted when the consumer closes and its deadline has passed: what is not done by then is delivered again. */
  readonly signal: AbortSignal;
  /** Runs an effect once, however often the event is delivered. Rejects with `usage` without `options.idempotency`. */
  readonly once: HandlerOnce;
  /** The stage of the migration in which the event was sent; undefined when no dispatcher sent it. */
  readonly stage: Stage | undefined;
  /** How often the migration's flag had been moved when the event was sent; undefined like `stage`. */
  readonly epoch: number | undefined;
  /** Change nothing: the callback does. `effect` sees to that by itself, `once` does not. False without a stage. */
  readonly dryRun: boolean;
  /** Fact key: the stamp's, else what the definition names, else the event's id. */
  readonly fact: string;
  /**
   * Runs an effect unless this is a dry run, and once per fact, also when the callback of the same fact brings it. A second
   * effect needs a `name`. Rejects with `usage` without `options.idempotency`, and without a consumer name of its own.
   */
  readonly effect: RunEffect;
}

/** Resolves: the event is acked. Throws or rejects: it is tried again, or dead-lettered after a `PermanentError`. */
export type Handler<Type extends string, Data> = (
  event: Envelope<Type, Data>,
  context: HandlerContext,
) => Promise<void> | undefined | void;

/** A handler per event type; an event of a type without one is dead-lettered. */
export type Handlers<M extends EventMap> = {
  readonly [T in keyof M & string]?: Handler<T, ReceivedData<M, T>>;
};
