// Waits for a line on stdin, then creates the broker file with a queue of its own, publishes to it and closes.
// Arguments: broker file, queue.
import { once } from 'node:events';
import { open, print } from './open.mjs';

const [path, queue] = process.argv.slice(2);
print('ready');
await once(process.stdin, 'data');
process.stdin.destroy();
const transport = open(path);
await transport.apply({
  exchanges: [{ name: 'shared', type: 'topic', durable: true, autoDelete: false, arguments: {} }],
  queues: [{ name: queue, durable: true, exclusive: false, autoDelete: false, arguments: {} }],
  bindings: [{ exchange: 'shared', queue, key: '#' }],
});
await transport.publish({
  exchange: '',
  routingKey: queue,
  body: Buffer.from(queue),
  properties: {},
});
await transport.close();
print('done');
