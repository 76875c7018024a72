// Publishes ids to exchange `kill` with key `k`, 50 in flight, and prints each once it is confirmed.
// Arguments: broker file, prefix of the ids.
import { open, print } from './open.mjs';

const [path, prefix] = process.argv.slice(2);
const transport = open(path);
let count = 0;

async function publishForever() {
  for (;;) {
    const id = `${prefix}-${count++}`;
    await transport.publish({
      exchange: 'kill',
      routingKey: 'k',
      body: Buffer.from(id.padEnd(343)),
      properties: { messageId: id },
    });
    print('confirmed', id);
  }
}

print('ready');
await Promise.all(Array.from({ length: 50 }, publishForever));
