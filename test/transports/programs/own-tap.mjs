// Taps an exchange, prints `ready` and each copy, and waits to be killed. Arguments: URL, exchange.
import { openTransport } from './transport.mjs';

const [url, exchange] = process.argv.slice(2);
const transport = await openTransport(url);
await transport.tap(
  { bindings: [{ exchange, key: '#' }] },
  { onMessage: (message) => console.log(`copy ${message.body}`), onGap: () => {} },
);
console.log('ready');
setInterval(() => {}, 1_000);
