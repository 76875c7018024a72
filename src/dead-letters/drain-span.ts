/** The subscriptions of a drain: what each of them holds, and whether that was lost. */
import type { Delivery, QueueSubscription, Transport } from '../core/transport.js';

export interface Span {
  readonly prefetch: number;
  /** Counts losses: a delivery of an earlier epoch is no longer in hand. */
  readonly epoch: number;
  /** Unsettled for good: not selected, or left. No reference to them is kept. */
  held: number;
  /** Unsettled and not counted: looked at only because something may come again behind it. */
  beyond: number;
  /** Selected, and neither settled nor left so far. */
  inHand: number;
  synchronise: QueueSubscription['synchronise'];
  stop(): Promise<void>;
  /** Puts everything unsettled back. */
  close(): Promise<void>;
}

export interface SpanEvents {
  onDelivery(arrival: Arrival): void;
  onLost(span: Span): void;
  /** The subscription ended for good, by itself. */
  onEnded(error: unknown): void;
}

/** A delivery that nobody has looked at. */
export interface Arrival {
  readonly delivery: Delivery;
  readonly span: Span;
  readonly epoch: number;
}

export function isLost({ span, epoch }: Pick<Arrival, 'span' | 'epoch'>): boolean {
  return span.epoch !== epoch;
}

async function openSpan(
  transport: Transport,
  queue: string,
  prefetch: number,
  events: SpanEvents,
): Promise<Span> {
  let epoch = 0;
  let subscription: QueueSubscription | undefined;
  const opened = () => {
    if (subscription === undefined) throw new Error('the subscription is not open yet');
    return subscription;
  };
  const span: Span = {
    prefetch,
    get epoch() {
      return epoch;
    },
    held: 0,
    beyond: 0,
    inHand: 0,
    synchronise: () => opened().synchronise(),
    stop: () => opened().stop(),
    close: () => opened().close(),
  };
  const onLost = () => {
    epoch++;
    span.held = 0;
    span.beyond = 0;
    span.inHand = 0;
    events.onLost(span);
  };
  subscription = await transport.consume(queue, { prefetch, exactHeaders: true, onLost }, (delivery) =>
    events.onDelivery({ delivery, span, epoch }),
  );
  subscription.ended.catch(events.onEnded);
  return span;
}

/** All of a drain, the latest of which takes messages; the others only hold. */
export class Spans {
  readonly #all: Span[] = [];

  constructor(
    private readonly transport: Transport,
    private readonly queue: string,
    private readonly events: SpanEvents,
  ) {}

  get latest(): Span | undefined {
    return this.#all.at(-1);
  }

  get count(): number {
    return this.#all.length;
  }

  sum(what: 'held' | 'beyond' | 'inHand'): number {
    return this.#all.reduce((sum, span) => sum + span[what], 0);
  }

  /** Stops the latest, which goes on holding, and opens another. */
  async openNext(prefetch: number): Promise<void> {
    await this.latest?.stop();
    this.#all.push(await openSpan(this.transport, this.queue, prefetch, this.events));
  }

  /** In the order in which they were taken: quorum queues keep the order in which messages come back. */
  async putBack(): Promise<void> {
    await this.latest?.stop();
    for (const span of this.#all) await span.close();
  }
}
