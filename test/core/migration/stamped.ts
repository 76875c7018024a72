/** Events with and without stamps on a stage of the consumer's tests, in a catalog that names their facts. */
import { z } from 'zod';
import { startConsumer } from '../../../src/core/consuming/start-consumer.js';
import { createPublisher } from '../../../src/core/publishing/publisher.js';
import {
  type Consumer,
  type ConsumerOptions,
  defineCatalog,
  defineEvent,
  type Handlers,
  messageHeadersOf,
  type Stamp,
} from '../../../src/index.js';
import type { Stage } from '../consuming/stage.js';

const order = z.object({ order: z.string() });

function catalogOn(exchange: string) {
  return defineCatalog(
    defineEvent({
      type: 'order.paid',
      exchange,
      schema: order,
      fact: (data) => `order.paid:${data.order}`,
    }),
    defineEvent({
      type: 'order.refused',
      exchange,
      schema: order,
      wire: 'flat',
      fact: (data) => `order.refused:${data.order}`,
    }),
    defineEvent({ type: 'order.sent', exchange, schema: order }),
  );
}

export type Orders = NonNullable<ReturnType<typeof catalogOn>['map']>;

export const stampOf = (stage: Stamp['stage'], fact: string, more: Partial<Stamp> = {}): Stamp => ({
  stage,
  epoch: 3,
  fact,
  callbacks: 'sent',
  ...more,
});

export interface Stamped {
  consume(handlers: Handlers<Orders>, options?: ConsumerOptions): Promise<Consumer>;
  publish(type: keyof Orders & string, orderId: string, stamp?: Stamp): Promise<unknown>;
}

/** Consumers are named `shipping`, or not at all. */
export function stamped(at: Stage, { named = true } = {}): Stamped {
  const catalog = catalogOn(at.names.exchange);
  const { transport, topology } = at.bus;
  const publisher = createPublisher(transport, catalog);
  return {
    async consume(handlers, options) {
      const all = at.options({ ...(named && { consumerName: 'shipping' }), ...options });
      const consumer = await startConsumer({ transport, catalog, topology }, at.names.queue, handlers, all);
      at.defer(() => consumer.close({ deadlineMs: 0 }));
      return consumer;
    },
    publish: (type, orderId, stamp) =>
      publisher.publish(type, { order: orderId }, stamp && { headers: messageHeadersOf(stamp) }),
  };
}
