/** What one call of a handler gets, beside the event. */
import { EventsError } from '../errors.js';
import type { ReceivedMessage } from '../message.js';
import type { HandlerContext, HandlerOnce } from './handler.js';
import type { InHand } from './in-hand.js';
import type { Once, OnceOptions, OnceResult } from './once.js';
import { asPermanent } from './permanent-error.js';

/** What the calls of one consumer have in common. */
export interface CallSetting {
  readonly queue: string;
  readonly signal: AbortSignal;
  readonly once: Once | undefined;
}

/** One per call, 40,000 a second: `once` costs nothing until it is asked for, and may be destructured. */
export class HandlerCall implements HandlerContext {
  readonly attempt: number;
  readonly signal: AbortSignal;
  readonly #of: InHand;
  readonly #setting: CallSetting;
  #usedOwnKey = false;

  constructor(of: InHand, setting: CallSetting) {
    this.attempt = of.attempt;
    this.signal = setting.signal;
    this.#of = of;
    this.#setting = setting;
  }

  get message(): ReceivedMessage {
    return this.#of.message;
  }

  get once(): HandlerOnce {
    return <T>(first: string | (() => T), second?: (() => T) | OnceOptions, third?: OnceOptions) =>
      typeof first === 'string'
        ? this.#once(first, second as () => T, third)
        : this.#once(undefined, first, second as OnceOptions | undefined);
  }

  async #once<T>(
    key: string | undefined,
    effect: () => T,
    options: OnceOptions | undefined,
  ): Promise<OnceResult<Awaited<T>>> {
    const { once } = this.#setting;
    if (once === undefined) {
      throw new EventsError('usage', `the consumer of ${this.#setting.queue} has no idempotency store`, {
        hint: 'Give consume() a store: { idempotency: openIdempotencyStore(path) }.',
      });
    }
    return once(key ?? this.#ownKey(), effect, options);
  }

  /** With the queue, because consumers of several queues may share a store, and each has its own effect. */
  #ownKey(): string {
    if (!this.#of.hasId) {
      const event = `${JSON.stringify(this.#of.event?.type)} came without a message id`;
      throw asPermanent(
        new EventsError(
          'usage',
          `once() needs a key: ${event}, and two with the same bytes may be two events`,
          {
            hint: 'Give it a key of the business, once("refund:<job>", effect), or have the publisher set messageId.',
          },
        ),
      );
    }
    if (this.#usedOwnKey) {
      throw new EventsError('usage', 'once() without a key was called twice for one event', {
        hint: 'The second effect would be taken for the first one. Give each a key: once("mail:<id>", effect).',
      });
    }
    this.#usedOwnKey = true;
    return `${this.#setting.queue}:${this.#of.event?.id}`;
  }
}
