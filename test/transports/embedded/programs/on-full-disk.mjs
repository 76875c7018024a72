// Does what lines on stdin say and prints what it came to. All lines of one chunk are done in one turn.
//   publish COUNT BYTES   `confirmed ID` or `refused ID CODE HINT` each, then `published`
//   consume QUEUE         `delivered NUMBER ID` each, three unsettled at a time
//   ack|reject|requeue N  `VERB N SETTLEMENT` or `VERB N CODE`
//   stop, close           the consumer: `VERB done` or `VERB CODE`
//   synchronise           the consumer: `synchronise SETTLEMENT` or `synchronise CODE`
//   close-transport       `close-transport done`
//   end                   closes the transport and ends
// Notices are printed as `notice KIND`. Arguments: broker file; `throwing` if each notice throws after that.
import { open, print } from './open.mjs';

const [path, throwing] = process.argv.slice(2);
if (throwing) process.on('uncaughtException', (error) => print('uncaught', error.message));
const transport = open(path, {
  onNotice({ kind }) {
    print('notice', kind);
    if (throwing) throw new Error(kind);
  },
});
const deliveries = [];
let published = 0;
let consumer;

async function publish(count, bytes) {
  // In groups, so that some fit and some do not.
  for (let left = Number(count); left > 0; left -= 20) {
    const group = Array.from({ length: Math.min(left, 20) }, () => `m${published++}`);
    await Promise.all(
      group.map((id) =>
        transport
          .publish({ exchange: '', routingKey: 'q', body: Buffer.from(id.padEnd(bytes)), properties: {} })
          .then(
            () => print('confirmed', id),
            ({ code, hint }) => print('refused', id, code, hint),
          ),
      ),
    );
  }
  print('published');
}

async function consume(queue) {
  consumer = await transport.consume(queue, { prefetch: 3 }, (delivery) => {
    const number = deliveries.push(delivery) - 1;
    print('delivered', number, delivery.message.body.toString().trim());
  });
}

async function report(work, ...words) {
  try {
    print(...words, (await work()) ?? 'done');
  } catch (error) {
    print(...words, error.code);
  }
}

function perform(line) {
  const [verb, ...args] = line.split(' ');
  if (verb === 'publish') void publish(...args);
  else if (verb === 'consume') void consume(...args);
  else if (['stop', 'close', 'synchronise'].includes(verb)) void report(() => consumer[verb](), verb);
  else if (verb === 'close-transport') void report(() => transport.close(), verb);
  else if (verb === 'end') void transport.close().then(() => process.stdin.destroy());
  else void report(() => deliveries[args[0]][verb](), verb, args[0]);
}

process.stdin.setEncoding('utf8').on('data', (chunk) => {
  for (const line of chunk.trimEnd().split('\n')) perform(line);
});
print('ready');
