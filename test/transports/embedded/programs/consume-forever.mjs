// Consumes a queue, holds each message up to 5 ms and acks it. Prints `delivered ID TIME`, then `acking ID`, and
// `acked ID TIME` once the ack is through.
// Arguments: broker file, queue.
import { setTimeout as hold } from 'node:timers/promises';
import { clock, open, print } from './open.mjs';

const [path, queue] = process.argv.slice(2);
const transport = open(path);

await transport.consume(queue, { prefetch: 100 }, async (delivery) => {
  const id = delivery.message.properties.messageId;
  print('delivered', id, clock());
  await hold(Math.random() * 5);
  print('acking', id);
  const settlement = await delivery.ack();
  if (settlement === 'settled') print('acked', id, clock());
});
print('ready');
