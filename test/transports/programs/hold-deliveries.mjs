// Consumes a queue without settling, prints `holding` with `count` in hand, and waits to be killed.
// Arguments: URL, queue, count.
import { openTransport } from './transport.mjs';

const [url, queue, count] = process.argv.slice(2);
const transport = await openTransport(url);
let held = 0;
await transport.consume(queue, { prefetch: Number(count) }, () => {
  held += 1;
  if (held === Number(count)) console.log('holding');
});
setInterval(() => {}, 1_000);
