// A project's own events: a catalog, the topology they travel in, and where the brokers are.
import { bind, defineConfig, defineEvent, exchange, queue } from 'atma-events';
import { z } from 'zod';

const ORDERS = 'shop.orders';

export const orderPaid = defineEvent({
  type: 'order.paid',
  description: 'A customer paid an order in full.',
  exchange: ORDERS,
  schema: z.object({
    orderId: z.string().min(1),
    total: z.number().positive(),
  }),
  sample: { orderId: 'XYZ-123', total: 500_000 },
});

export default defineConfig({
  source: 'checkout',
  events: [orderPaid],
  topology: {
    exchanges: [exchange(ORDERS, 'topic'), exchange('shop.dead', 'direct')],
    queues: [
      queue('shop.shipping', {
        'x-dead-letter-exchange': 'shop.dead',
        'x-dead-letter-routing-key': 'shipping',
      }),
      queue('shop.shipping.dlq'),
    ],
    bindings: [
      ...bind(ORDERS, 'shop.shipping', 'order.paid'),
      ...bind('shop.dead', 'shop.shipping.dlq', 'shipping'),
    ],
  },
  profiles: {
    staging: { url: 'amqp://rabbitmq.staging:5672', timeout: '5s' },
  },
});
