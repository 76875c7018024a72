// The consumer of a service. Prints `ready`, and `told ORDER` for each event. Arguments: url, exchange, queue, store, file of effects.
import { connect, openIdempotencyStore } from '../../../../dist/index.js';
import { catalogOn, print, SERVICE, ship } from './orders.mjs';

const [url, exchange, queue, storePath, file] = process.argv.slice(2);
const store = openIdempotencyStore(storePath);
const bus = await connect({ url, catalog: catalogOn(exchange), source: SERVICE });
await bus.consume(
  queue,
  {
    async 'order.paid'({ data }, { effect }) {
      await effect(() => ship(file, data.order, 'event'));
      print('told', data.order);
    },
  },
  { idempotency: store, circuit: false },
);
print('ready');
