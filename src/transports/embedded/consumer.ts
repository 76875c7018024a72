/** A consumer of one queue: deliveries up to the prefetch, each settled once. */

import { callOut } from '../../core/consuming/call-out.js';
import { EventsError } from '../../core/errors.js';
import type { Delivery, Settlement } from '../../core/transport.js';
import type { Claimed } from './claims.js';
import type { Dispatcher, Reader } from './dispatcher.js';
import type { Verdict } from './settle.js';

export interface ConsumerOf {
  readonly dispatcher: Dispatcher;
  readonly queue: number;
  readonly queueName: string;
  readonly consumer: number;
  readonly prefetch: number;
  readonly onDelivery: (delivery: Delivery) => void;
  readonly end: (reason: Error) => void;
}

export class Consumer implements Reader {
  readonly queue: number;
  readonly queueName: string;
  readonly consumer: number;
  readonly #of: ConsumerOf;
  #unsettled = 0;
  #stopped = false;
  #released = false;

  constructor(of: ConsumerOf) {
    this.#of = of;
    this.queue = of.queue;
    this.queueName = of.queueName;
    this.consumer = of.consumer;
  }

  wanted(): number {
    return this.#stopped ? 0 : this.#of.prefetch - this.#unsettled;
  }

  take(claimed: readonly Claimed[]): void {
    this.#unsettled += claimed.length;
    // A handler that throws keeps its delivery unsettled, and nobody else from theirs.
    for (const one of claimed) callOut(() => this.#of.onDelivery(new ClaimedDelivery(this, one)));
  }

  end(reason: Error): void {
    this.#stopped = true;
    this.#of.end(reason);
  }

  /** No more deliveries; those in hand can still be settled. */
  stop(): void {
    this.#stopped = true;
  }

  /** What is unsettled has been handed back. */
  release(): void {
    this.#stopped = true;
    this.#released = true;
  }

  settle(claimed: Claimed, verdict: Verdict, undo: () => void): Promise<Settlement> {
    if (this.#released) return Promise.resolve('lost');
    const { dispatcher } = this.#of;
    const settling = { queue: this.queue, consumer: this.consumer, claimed, verdict };
    const done = dispatcher.settle(settling, () => {
      this.#unsettled++;
      undo();
    });
    // Room for the next one: it is claimed in the transaction that settles this one.
    this.#unsettled--;
    dispatcher.stir();
    return done;
  }
}

class ClaimedDelivery implements Delivery {
  readonly #consumer: Consumer;
  readonly #claimed: Claimed;
  #settled = false;

  constructor(consumer: Consumer, claimed: Claimed) {
    this.#consumer = consumer;
    this.#claimed = claimed;
  }

  get message() {
    return this.#claimed.received;
  }

  ack(): Promise<Settlement> {
    return this.#settle('ack');
  }

  requeue(): Promise<Settlement> {
    return this.#settle('requeue');
  }

  reject(): Promise<Settlement> {
    return this.#settle('reject');
  }

  #settle(verdict: Verdict): Promise<Settlement> {
    if (this.#settled) {
      throw new EventsError('usage', 'this delivery is settled already', {
        hint: 'Call ack, requeue or reject once per delivery.',
      });
    }
    this.#settled = true;
    return this.#consumer.settle(this.#claimed, verdict, () => {
      this.#settled = false;
    });
  }
}
