// Publishes, consumes, or consumes and closes the consumer; leaves the transport open and prints `ready`.
// While it consumes, a line on stdin closes the transport. Arguments: broker file, what to do.
import { open, print } from './open.mjs';

const [path, what] = process.argv.slice(2);
const transport = open(path);
if (what === 'publish') {
  await transport.publish({ exchange: '', routingKey: 'q', body: Buffer.from('x'), properties: {} });
} else {
  const subscription = await transport.consume('q', {}, async (delivery) => {
    print('got', delivery.message.body.toString());
    await delivery.ack();
  });
  if (what === 'consume-and-close') await subscription.close();
  else process.stdin.once('data', () => transport.close()).unref();
}
print('ready');
