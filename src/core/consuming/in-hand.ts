/** What a consumer has in its hands: deliveries of one session with the broker. */
import type { Envelope } from '../events/envelope.js';
import { plainNumbers, type ReceivedMessage } from '../message.js';
import { isOnlyObserved, readStamp, type Stamp } from '../migration/stamp.js';
import type { Delivery, QueueSubscription } from '../transport.js';
import type { Handler } from './handler.js';
import type { Arrival } from './origin.js';
import type { RecordClaim } from './record-claim.js';
import type { SetTimer } from './timer.js';

/**
 * Deliveries that are lost together, because one channel brought them. What works on one of them asks here whether it
 * still is ours, and sleeps here, so that it wakes when that changes.
 */
export class Epoch {
  /** They will be delivered again: nothing must be decided about them any more. */
  gone = false;
  readonly #sleepers = new Set<() => void>();

  /** Milliseconds, or until the state of these deliveries changes. */
  sleep(ms: number, setTimer: SetTimer): Promise<void> {
    if (this.gone) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        cancel();
        this.#sleepers.delete(wake);
        resolve();
      };
      const cancel = setTimer(wake, ms);
      this.#sleepers.add(wake);
    });
  }

  wake(): void {
    for (const wake of [...this.#sleepers]) wake();
  }

  lose(): void {
    this.gone = true;
    this.wake();
  }
}

/** One subscription to the queue: from its opening until the last of its deliveries is settled. */
export class Session {
  epoch = new Epoch();
  /** Takes no more: what has not begun goes back. */
  retiring = false;
  /** The broker delivers nothing more to it. */
  stopped = false;
  /** To be handed back, once nothing more is delivered: it would come straight back. */
  leftover: InHand[] = [];
  subscription: QueueSubscription | undefined;
  /** Resolves when opening it is over, whether or not there is a subscription then. */
  opened: Promise<void> = Promise.resolve();
  /** Deliveries that are neither settled nor lost. */
  inHand = 0;
  #onDrained: (() => void) | undefined;

  /** `prefetch`: deliveries that it may have in hand. */
  constructor(readonly prefetch: number) {}

  /** What was in hand is lost; what comes now belongs together anew. */
  renew(): void {
    this.epoch.lose();
    this.epoch = new Epoch();
  }

  release(): void {
    if (--this.inHand === 0) this.#onDrained?.();
  }

  /** Resolves when nothing is in hand. */
  drained(): Promise<void> {
    if (this.inHand === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.#onDrained;
      this.#onDrained = () => {
        before?.();
        resolve();
      };
    });
  }
}

const NO_HEADERS = {};

/** One delivery, from its arrival until it is settled. A class, so that 40,000 of them a second have one shape. */
export class InHand {
  /** Of a valid event. */
  event: Envelope | undefined;
  handler: Handler<string, unknown> | undefined;
  /** Events of one key are handled one after another. */
  key: string | undefined;
  /** What `orderBy` threw: the event fails with it. */
  keyError: { readonly error: unknown } | undefined;
  /** How often the handler has failed with this event. */
  attempt: number;
  firstFailedAt: string | undefined;
  /** Its record of decisions has been looked up. */
  lookedUp = false;
  /** Its time in hand is watched. */
  watched = false;
  /** The record of what was decided about it, which nobody needs any more once the broker has the ack. */
  spent: RecordClaim | undefined;
  readonly epoch: Epoch;
  #plain: ReceivedMessage | undefined;
  #stamp: Stamp | undefined;

  constructor(
    readonly delivery: Delivery,
    readonly arrival: Arrival,
    readonly session: Session,
  ) {
    this.epoch = session.epoch;
    this.attempt = arrival.attempt;
    this.firstFailedAt = arrival.firstFailedAt;
  }

  /** As people and handlers see it: as it was first published, and with plain numbers in its headers. */
  get message(): ReceivedMessage {
    this.#plain ??= plainNumbers(this.arrival.message);
    return this.#plain;
  }

  /** Undefined: no dispatcher sent it. Read when somebody asks. */
  get stamp(): Stamp | undefined {
    this.#stamp ??= readStamp(this.arrival.message.properties.headers ?? NO_HEADERS);
    return this.#stamp;
  }

  /** Sent in a stage in which events are only looked at: done as it is. */
  get isOnlyObserved(): boolean {
    return isOnlyObserved(this.arrival.message.properties.headers);
  }

  /** Without an id two with the same bytes may be two events. */
  get hasId(): boolean {
    return Boolean(this.arrival.message.properties.messageId);
  }
}
