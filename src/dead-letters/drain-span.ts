/** One subscription of a drain: what it holds, and whether that was lost. */
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

export async function openSpan(
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
