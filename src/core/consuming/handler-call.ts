/** What one call of a handler gets, beside the event. */
import { EventsError } from '../errors.js';
import type { ReceivedMessage } from '../message.js';
import { effectsOf, type RunEffect } from '../migration/effect.js';
import type { Stage } from '../migration/stage.js';
import { isDryRun } from '../migration/stamp.js';
import type { HandlerContext, HandlerOnce } from './handler.js';
import type { InHand } from './in-hand.js';
import type { Once, OnceOptions, OnceResult } from './once.js';
import { asPermanent } from './permanent-error.js';

/** What the calls of one consumer have in common. */
export interface CallSetting {
  readonly queue: string;
  readonly signal: AbortSignal;
  readonly once: Once | undefined;
  /** The name that the consumer was given; the default is nobody's. */
  readonly consumer: string | undefined;
  /** Fact key of an event without a stamp; undefined where nothing but the digest of a body could name it. */
  readonly factOf: (of: InHand) => string | undefined;
}

/** One per call, 40,000 a second: its getters cost nothing until they are asked for, and may be destructured. */
export class HandlerCall implements HandlerContext {
  readonly attempt: number;
  readonly signal: AbortSignal;
  readonly #of: InHand;
  readonly #setting: CallSetting;
  #usedOwnKey = false;
  #effect: RunEffect | undefined;

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

  get stage(): Stage | undefined {
    return this.#of.stamp?.stage;
  }

  get epoch(): number | undefined {
    return this.#of.stamp?.epoch;
  }

  get dryRun(): boolean {
    const { stage } = this;
    return stage !== undefined && isDryRun(stage, 'event');
  }

  get fact(): string {
    return this.#of.stamp?.fact ?? this.#setting.factOf(this.#of) ?? this.#of.event?.id ?? '';
  }

  get effect(): RunEffect {
    this.#effect ??= effectsOf({
      dryRun: this.dryRun,
      consumer: () => this.#consumer(),
      fact: () => this.#factKey(),
      once: () => this.#storeOnce(),
    });
    return this.#effect;
  }

  async #once<T>(
    key: string | undefined,
    effect: () => T,
    options: OnceOptions | undefined,
  ): Promise<OnceResult<Awaited<T>>> {
    return this.#storeOnce()(key ?? this.#ownKey(), effect, options);
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

  #storeOnce(): Once {
    const { once, queue } = this.#setting;
    if (once !== undefined) return once;
    throw new EventsError('usage', `the consumer of ${queue} has no idempotency store`, {
      hint: 'Give consume() a store: { idempotency: openIdempotencyStore(path) }.',
    });
  }

  /** Effects are the consumer's: under a default name one service would take another's for its own. */
  #consumer(): string {
    const { consumer, queue } = this.#setting;
    if (consumer !== undefined) return consumer;
    throw new EventsError(
      'usage',
      `the consumer of ${queue} has no name, and effect() keeps effects under it`,
      {
        hint: 'Give consume() a consumerName, or connect() a source: the name that the callback receiver has, too.',
      },
    );
  }

  #factKey(): string {
    const fact = this.#of.stamp?.fact ?? this.#setting.factOf(this.#of);
    if (fact !== undefined) return fact;
    const event = `${JSON.stringify(this.#of.event?.type)} came without a stamp and without a message id`;
    throw asPermanent(
      new EventsError('usage', `effect() needs a fact: ${event}, and its definition names none`, {
        hint: 'Give the event\'s definition a function "fact", or have the publisher set messageId.',
      }),
    );
  }
}
