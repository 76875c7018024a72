// Runs publishers side by side. Each publishes its messages in order, one confirmed before the next, and
// says `try ID` before and `ok ID` after, straight to the file descriptor: what was printed stays printed
// when this process is killed. Arguments: URL, exchange, key, count, then PUBLISHER:FIRST for each publisher.
import { writeSync } from 'node:fs';
import { openTransport } from './transport.mjs';

const [url, exchange, routingKey, count, ...publishers] = process.argv.slice(2);
const transport = await openTransport(url);

async function publisher(name, first) {
  for (let index = first; index < Number(count); index += 1) {
    const messageId = `${name}:${index}`;
    writeSync(1, `try ${messageId}\n`);
    await transport.publish({
      exchange,
      routingKey,
      body: Buffer.from(messageId),
      properties: { messageId },
    });
    writeSync(1, `ok ${messageId}\n`);
  }
}

await Promise.all(
  publishers.map((argument) => {
    const [name, first] = argument.split(':');
    return publisher(name, Number(first));
  }),
);
await transport.close();
