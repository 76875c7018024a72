// Declares an exclusive, auto-deleted queue, binds and consumes it, prints `ready`, and waits to be killed.
// Arguments: URL, exchange, queue.
import { openTransport } from './transport.mjs';

const [url, exchange, queue] = process.argv.slice(2);
const transport = await openTransport(url);
await transport.apply({
  exchanges: [],
  queues: [{ name: queue, durable: false, exclusive: true, autoDelete: true, arguments: {} }],
  bindings: [{ exchange, queue, key: '#' }],
});
await transport.consume(queue, {}, () => {});
console.log('ready');
setInterval(() => {}, 1_000);
