// Publishes RUN-0, RUN-1 and so on through an outbox, two routing keys in turn, and prints `published ID` for each that
// resolved; prints `dies at STEP` and kills itself with SIGKILL when it reaches a step for the nth time, else runs until it
// is killed. With `end` it publishes nothing, sends what is left, and ends. Arguments: JSON with url, path, exchange, run,
// step?, nth?, end?.
import { writeSync } from 'node:fs';
import { createOutbox } from '../../../../dist/core/publishing/outbox.js';
import { openOutboxStore } from '../../../../dist/storage/outbox-store.js';
import { createTransport } from '../../../../dist/transports/index.js';

const { url, path, exchange, run, step, nth, end } = JSON.parse(process.argv[2]);

// Straight to the pipe: what waits in a stream dies with the process.
const print = (...words) => writeSync(1, `${words.join(' ')}\n`);

let left = nth;
function reach(name) {
  if (name !== step || --left > 0) return;
  print('dies at', name);
  process.kill(process.pid, 'SIGKILL');
}

const around = (before, work, after) => {
  reach(before);
  return work().then((result) => {
    reach(after);
    return result;
  });
};

const transport = await createTransport(url);
const file = openOutboxStore(path);
const store = {
  append: (message) => around('append', () => file.append(message), 'appended'),
  read: (after, limit) => file.read(after, limit),
  remove: (ids) => around('remove', () => file.remove(ids), 'removed'),
  state: () => file.state(),
  close: () => file.close(),
};
const outbox = createOutbox(
  {
    scheme: transport.scheme,
    publish: (message) => around('publish', () => transport.publish(message), 'confirmed'),
  },
  store,
  { window: 20, onTrouble: ({ kind, error }) => print('trouble', kind, error.code) },
);
if (end) {
  await outbox.drained();
  await outbox.close();
  await transport.close();
} else {
  print('ready');
  for (let n = 0; ; n += 10) {
    await Promise.all(
      Array.from({ length: 10 }, (_, index) => {
        const id = `${run}-${n + index}`;
        return outbox
          .publish({
            exchange,
            routingKey: index % 2 === 0 ? 'even' : 'odd',
            body: Buffer.from(id),
            properties: { messageId: id },
          })
          .then(() => print('published', id));
      }),
    );
    await new Promise((resolve) => setImmediate(resolve));
  }
}
