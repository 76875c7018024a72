/** A consumer of one queue: deliveries up to the prefetch, each settled once. */

import { callOut } from '../../core/consuming/call-out.js';
import { EventsError, queueMissing } from '../../core/errors.js';
import type { Delivery, Settlement } from '../../core/transport.js';
import type { Claimed } from './claims.js';
import type { Dispatcher, Reader, Settler } from './dispatcher.js';
import type { Verdict } from './settle.js';

export interface ConsumerOf {
  readonly dispatcher: Dispatcher;
  readonly queue: number;
  readonly queueName: string;
  readonly consumer: number;
  readonly prefetch: number;
  readonly onDelivery: (delivery: Delivery) => void;
  readonly onLost: () => void;
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
  /** A settlement came too late. Leases go with their queue only, so it stays so. */
  #lost = false;
  /** Settlements that could not be stored, and why the last one could not. */
  #failures = 0;
  #failure: unknown;

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

  gone(): void {
    callOut(this.#of.onLost);
    this.end(queueMissing(this.queueName));
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

  /** Rejects with `storage` when a settlement that it waits for does. */
  async synchronise(): Promise<Settlement> {
    if (this.#released) throw new EventsError('closed', 'The consumer is closed');
    const before = this.#failures;
    await this.#of.dispatcher.flushed();
    if (this.#failures > before) throw this.#failure;
    return this.#lost ? 'lost' : 'settled';
  }

  lost(): void {
    this.#lost = true;
  }

  failed(error: unknown): void {
    this.#unsettled++;
    this.#failures++;
    this.#failure = error;
  }

  settle(claimed: Claimed, verdict: Verdict, settler: Settler): Promise<Settlement> {
    if (this.#released) return Promise.resolve('lost');
    const { dispatcher } = this.#of;
    const settling = { queue: this.queue, consumer: this.consumer, claimed, verdict };
    const done = dispatcher.settle(settling, settler);
    // Room for the next one: it is claimed in the transaction that settles this one.
    this.#unsettled--;
    dispatcher.stir();
    return done;
  }
}

class ClaimedDelivery implements Delivery, Settler {
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

  lost(): void {
    this.#consumer.lost();
  }

  failed(error: unknown): void {
    this.#settled = false;
    this.#consumer.failed(error);
  }

  #settle(verdict: Verdict): Promise<Settlement> {
    if (this.#settled) {
      throw new EventsError('usage', 'this delivery is settled already', {
        hint: 'Call ack, requeue or reject once per delivery.',
      });
    }
    this.#settled = true;
    return this.#consumer.settle(this.#claimed, verdict, this);
  }
}
