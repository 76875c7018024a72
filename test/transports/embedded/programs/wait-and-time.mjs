// Consumes queue `timed`; prints how many milliseconds each message took from its publisher's clock. Argument: broker file.
import { clock, open, print } from './open.mjs';

const transport = open(process.argv[2]);
await transport.consume('timed', { prefetch: 10 }, (delivery) => {
  print('took', Number(clock() - BigInt(delivery.message.body.toString())) / 1e6);
  void delivery.ack();
});
print('ready');
