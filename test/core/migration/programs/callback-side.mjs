// The HTTP side of the same service. Prints `ready PORT`. Arguments: store, file of effects.
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { createCallbackReceiver, openIdempotencyStore } from '../../../../dist/index.js';
import { factOf, print, SERVICE, ship } from './orders.mjs';

const [storePath, file] = process.argv.slice(2);
const receiver = createCallbackReceiver({
  store: openIdempotencyStore(storePath),
  consumer: SERVICE,
  fact: factOf,
});

const server = createServer(async (request, response) => {
  try {
    const body = await json(request);
    const { effect } = receiver.receive(request.headers, body);
    const outcome = await effect(() => ship(file, body.order, 'callback'));
    response.end(JSON.stringify(outcome));
  } catch (error) {
    response.writeHead(500).end(error.message);
  }
});
server.listen(0, '127.0.0.1', () => print('ready', server.address().port));
