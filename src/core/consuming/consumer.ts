/**
 * A minimal consumer: each delivery is read as an event and given to the handler of its type. The ack
 * follows the handler; a handler that fails, an unknown type and an invalid event are rejected, to the
 * queue's dead-letter exchange.
 */

import { messageOf } from '../errors.js';
import type { Catalog, EventMap, ReceivedData } from '../events/catalog.js';
import { decode, describeIssues } from '../events/codec.js';
import type { Envelope } from '../events/envelope.js';
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
  /** Told of every delivery that was rejected, and why. Must not throw. */
  readonly onReject?: (reason: string, message: ReceivedMessage) => void;
}

/**
 * Starts consuming. Rejects as `Transport.consume` does; the subscription's `ended` also rejects when a
 * delivery could not be settled for a reason of storage.
 */
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
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const settle = (settled: Promise<Settlement>) => {
    settled.catch(fail);
  };
  const subscription = await transport.consume(queue, { prefetch: options.prefetch ?? 100 }, (delivery) => {
    const reject = (reason: string) => {
      options.onReject?.(reason, delivery.message);
      settle(delivery.reject());
    };
    const handling = handle(catalog, byType, delivery.message, reject);
    if (handling === 'done') settle(delivery.ack());
    else if (handling !== 'rejected') {
      handling.then(
        () => settle(delivery.ack()),
        (error: unknown) => reject(messageOf(error)),
      );
    }
  });
  const ended = Promise.race([subscription.ended, failed]);
  ended.catch(() => {}); // whoever awaits `ended` sees it; nobody has to
  return { stop: () => subscription.stop(), close: () => subscription.close(), ended };
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
