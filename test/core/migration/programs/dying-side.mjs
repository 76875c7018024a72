// A service that is killed with an effect: `before` it happened, or `after` it was noted and before anybody was told. Prints
// `ready PORT`. Arguments: `before` or `after`; `callback`, store, lease in ms; or `event`, store, lease, url, exchange, queue.
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { connect, createCallbackReceiver, openIdempotencyStore } from '../../../../dist/index.js';
import { catalogOn, factOf, print, SERVICE } from './orders.mjs';

const [when, side, storePath, leaseMs, url, exchange, queue] = process.argv.slice(2);
const store = openIdempotencyStore(storePath);

async function apply(effect) {
  const die = () => process.kill(process.pid, 'SIGKILL');
  await effect(() => when === 'before' && die(), { leaseMs: Number(leaseMs) });
  die();
}

if (side === 'callback') {
  const receiver = createCallbackReceiver({ store, consumer: SERVICE, fact: factOf });
  const server = createServer(async (request) => {
    const body = await json(request);
    await apply(receiver.receive(request.headers, body).effect);
  });
  server.listen(0, '127.0.0.1', () => print('ready', server.address().port));
} else {
  const bus = await connect({ url, catalog: catalogOn(exchange), source: SERVICE });
  await bus.consume(
    queue,
    { 'order.paid': (_event, { effect }) => apply(effect) },
    { idempotency: store, circuit: false },
  );
  print('ready');
}
