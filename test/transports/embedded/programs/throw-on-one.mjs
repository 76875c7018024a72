// Consumes queues `q` and `neighbour` and acks all; the handler throws at body `bad`. Prints `QUEUE BODY SETTLEMENT`,
// and what became uncaught. At a line on stdin it acks the first one again, closes, and prints what `ended` came to.
// Argument: broker file.
import { open, print } from './open.mjs';

process.on('uncaughtException', (error) => print('uncaught', error.message));

const transport = open(process.argv[2]);
let first;
const consume = (queue) =>
  transport.consume(queue, { prefetch: 2 }, (delivery) => {
    const body = delivery.message.body.toString();
    if (body === 'bad') throw new Error('the handler threw');
    first ??= delivery;
    delivery.ack().then(
      (settlement) => print(queue, body, settlement),
      (error) => print(queue, body, error.code),
    );
  });
const subscriptions = [await consume('q'), await consume('neighbour')];
print('ready');
process.stdin.once('data', async () => {
  process.stdin.destroy();
  try {
    print('again', await first.ack());
  } catch (error) {
    print('again', error.code);
  }
  await transport.close();
  for (const { ended } of subscriptions) {
    print(
      await ended.then(
        () => 'closed',
        (error) => `ended ${error.message}`,
      ),
    );
  }
});
