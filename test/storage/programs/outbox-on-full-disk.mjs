// Does what lines on stdin say with an outbox whose transport takes everything once it is told to:
//   publish COUNT BYTES   `published ID` or `refused ID CODE HINT` each, then `done`
//   send                  from now on the transport takes everything: `drained` once nothing waits
//   state                 `waiting N`
//   end                   closes the outbox and ends
// What the transport took is printed as `took ID`, trouble as `trouble KIND CODE`. Arguments: path.
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { EventsError } from '../../../dist/core/errors.js';
import { createOutbox } from '../../../dist/core/publishing/outbox.js';
import { openOutboxStore } from '../../../dist/storage/outbox-store.js';

const [path] = process.argv.slice(2);
const print = (...words) => writeSync(1, `${words.join(' ')}\n`);

let open = false;
let published = 0;
const transport = {
  scheme: 'none',
  async publish({ properties }) {
    if (!open) throw new EventsError('unreachable', 'not yet');
    print('took', properties.messageId);
  },
};
const outbox = createOutbox(transport, openOutboxStore(path), {
  retry: { firstMs: 5, longestMs: 20 },
  onTrouble: ({ kind, error }) => print('trouble', kind, error.code),
});

async function publish(count, bytes) {
  // In groups, so that some fit and some do not.
  for (let left = Number(count); left > 0; left -= 20) {
    await Promise.all(
      Array.from({ length: Math.min(left, 20) }, () => {
        const messageId = `m${published++}`;
        const body = Buffer.alloc(Number(bytes), messageId);
        return outbox.publish({ exchange: 'x', routingKey: 'k', body, properties: { messageId } }).then(
          () => print('published', messageId),
          ({ code, hint }) => print('refused', messageId, code, hint),
        );
      }),
    );
  }
  print('done');
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const [verb, ...args] = line.split(' ');
  if (verb === 'publish') await publish(...args);
  else if (verb === 'state') print('waiting', outbox.state().waiting);
  else if (verb === 'send') {
    open = true;
    await outbox.drained();
    print('drained');
  } else if (verb === 'end') {
    await outbox.close();
    process.stdin.destroy();
  }
});
print('ready');
