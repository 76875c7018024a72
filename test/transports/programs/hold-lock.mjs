// Declares an exclusive queue that nobody consumes, prints `locked`, and waits to be killed.
// Arguments: URL, queue.
import { openTransport } from './transport.mjs';

const [url, queue] = process.argv.slice(2);
const transport = await openTransport(url);
await transport.apply({
  exchanges: [],
  queues: [{ name: queue, durable: false, exclusive: true, autoDelete: false, arguments: {} }],
  bindings: [],
});
console.log('locked');
setInterval(() => {}, 1_000);
