/**
 * A minimal consumer: each delivery is read as an event and given to the handler of its type. The ack
 * follows the handler; a handler that fails, an unknown type and an invalid event are rejected, to the
 * queue's dead-letter exchange.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { isEventsError, messageOf } from '../errors.js';
import type { Catalog, EventMap, ReceivedData } from '../events/catalog.js';
import { decode } from '../events/codec.js';
import type { Envelope } from '../events/envelope.js';
import { describeIssues } from '../events/field-issues.js';
import type { ReceivedMessage } from '../message.js';
import type { Settlement, Subscription, Transport } from '../transport.js';

export interface HandlerContext {
  readonly message: ReceivedMessage;
}

export type Handler<Type extends string, Data> = (
  event: Envelope<Type, Data>,
  context: HandlerContext,
) => Promise<void> | undefined | void;

/** A handler per event type; a type without one is rejected. */
export type Handlers<M extends EventMap> = {
  readonly [T in keyof M & string]?: Handler<T, ReceivedData<M, T>>;
};

export interface ConsumerOptions {
  /** Unsettled deliveries allowed, which is also how many handlers run at once. Default 100. */
  readonly prefetch?: number;
  /** Told of every delivery that was rejected, and why. Must not throw. `connect()` makes it a process warning. */
  readonly onReject?: (reason: string, message: ReceivedMessage) => void;
}

/** A settlement that storage refused (a full disk) is made again after this long, doubling up to the last. */
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;

/** Starts consuming. Rejects as `Transport.consume` does. */
export async function startConsumer<M extends EventMap>(
  transport: Pick<Transport, 'consume'>,
  catalog: Catalog<M>,
  queue: string,
  handlers: Handlers<M>,
  options: ConsumerOptions = {},
): Promise<Subscription> {
  const byType = new Map<string, Handler<string, unknown> | undefined>(
    Object.entries(handlers) as [string, Handler<string, unknown> | undefined][],
  );
  const closing = new AbortController();
  const settle = (settlement: () => Promise<Settlement>) => {
    settlement().catch((error: unknown) => settleAgain(settlement, error, closing.signal));
  };
  const subscription = await transport.consume(queue, { prefetch: options.prefetch ?? 100 }, (delivery) => {
    const reject = (reason: string) => {
      options.onReject?.(reason, delivery.message);
      settle(() => delivery.reject());
    };
    const handling = handle(catalog, byType, delivery.message, reject);
    if (handling === 'done') settle(() => delivery.ack());
    else if (handling !== 'rejected') {
      handling.then(
        () => settle(() => delivery.ack()),
        (error: unknown) => reject(messageOf(error)),
      );
    }
  });
  return {
    ended: subscription.ended,
    stop: () => subscription.stop(),
    close() {
      closing.abort();
      return subscription.close();
    },
  };
}

/**
 * The handler is done with the event, so it must not run again for want of disk space: the settlement is tried
 * until it is made or the consumer closes. Meanwhile the delivery keeps its place in the prefetch, so a full
 * disk holds the consumer back instead of letting it run on.
 */
async function settleAgain(
  settlement: () => Promise<Settlement>,
  failure: unknown,
  closing: AbortSignal,
): Promise<void> {
  let error = failure;
  for (let retry = 0; ; retry++) {
    if (isEventsError(error, 'closed')) return; // the transport was closed: it will be delivered again
    if (!isEventsError(error, 'storage')) throw error;
    const pause = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(retry, 10));
    await delay(pause, undefined, { signal: closing }).catch(() => {}); // closing ends the wait
    if (closing.aborted) return; // it goes back with what else is in hand
    try {
      await settlement();
      return;
    } catch (again) {
      error = again;
    }
  }
}

/** Runs the handler. A handler that returns nothing is done in the same turn: no promise per event. */
function handle(
  catalog: Catalog,
  handlers: Map<string, Handler<string, unknown> | undefined>,
  message: ReceivedMessage,
  reject: (reason: string) => void,
): 'done' | 'rejected' | Promise<void> {
  const decoded = decode(catalog, message);
  if (!decoded.valid) {
    reject(describeIssues(decoded.errors));
    return 'rejected';
  }
  const handler = handlers.get(decoded.envelope.type);
  if (!handler) {
    reject(`no handler for ${decoded.envelope.type}`);
    return 'rejected';
  }
  try {
    return handler(decoded.envelope, { message }) ?? 'done';
  } catch (error) {
    reject(messageOf(error));
    return 'rejected';
  }
}
