// Takes `count` messages, acks every second one and rejects every third of the others, synchronises, writes what
// that came to straight to the file descriptor, and kills itself in the same turn. Arguments: URL, queue, count.
import { writeSync } from 'node:fs';
import { openTransport } from './transport.mjs';

const [url, queue, count] = process.argv.slice(2);
const transport = await openTransport(url);
const deliveries = [];
let tellAllInHand;
const allInHand = new Promise((resolve) => {
  tellAllInHand = resolve;
});
const subscription = await transport.consume(queue, { prefetch: Number(count) }, (delivery) => {
  if (deliveries.push(delivery) === Number(count)) tellAllInHand();
});
await allInHand;
for (const [index, held] of deliveries.entries()) {
  if (index % 2 === 0) void held.ack();
  else if (index % 3 === 0) void held.reject();
}
const outcome = await subscription.synchronise();
writeSync(1, `${outcome}\n`);
process.kill(process.pid, 'SIGKILL');
