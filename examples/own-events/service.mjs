// A service that publishes one event and consumes it. Run it after `atma-events setup` in this folder.
import { connect, defineCatalog, defineEvent } from 'atma-events';
import { z } from 'zod';

const catalog = defineCatalog(
  defineEvent({
    type: 'order.paid',
    exchange: 'shop.orders',
    schema: z.object({ orderId: z.string().min(1), total: z.number().positive() }),
  }),
);

const bus = await connect({ catalog, source: 'checkout' });

const handled = new Promise((resolve) => {
  bus.consume('shop.shipping', {
    'order.paid'(event) {
      console.log(`shipping ${event.data.orderId}, paid ${event.data.total}`);
      resolve();
    },
  });
});

const envelope = await bus.publish('order.paid', { orderId: 'XYZ-123', total: 500_000 });
console.log(`confirmed ${envelope.type}`);

await handled;
await bus.close();
