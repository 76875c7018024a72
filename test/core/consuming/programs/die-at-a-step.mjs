// A consumer with a store that prints `dies at STEP` and kills itself with SIGKILL when it reaches a step for the nth
// time; without one it runs until SIGTERM. Arguments: JSON with url, queue, topology, store, effects, delaysMs, step?, nth?.
import { appendFileSync, writeSync } from 'node:fs';
import { z } from 'zod';
import { startConsumer } from '../../../../dist/core/consuming/start-consumer.js';
import {
  createTransport,
  defineCatalog,
  defineEvent,
  openIdempotencyStore,
  PermanentError,
} from '../../../../dist/index.js';

const { url, queue, topology, store: storePath, effects, delaysMs, step, nth } = JSON.parse(process.argv[2]);

let left = nth;
function reach(name) {
  if (name !== step || --left > 0) return;
  writeSync(1, `dies at ${name}\n`); // straight to the pipe: what waits in a stream dies with the process
  process.kill(process.pid, 'SIGKILL');
}

const around = (before, work, after) => {
  reach(before);
  return work().then((result) => {
    reach(after);
    return result;
  });
};

const catalog = defineCatalog(
  defineEvent({
    type: 'thing.happened',
    exchange: 'unused',
    schema: z.object({ kind: z.enum(['ok', 'flaky', 'poison', 'permanent']) }),
  }),
);
const transport = await createTransport(url);
const file = openIdempotencyStore(storePath);
const store = {
  ...file,
  claim: (key, claim) => around('claim', () => file.claim(key, claim), 'claimed'),
  renew: (...args) => file.renew(...args),
  complete: (key, token, keepMs) =>
    keepMs === 0
      ? around('forget', () => file.complete(key, token, 0), 'forgotten')
      : around('complete', () => file.complete(key, token, keepMs), 'completed'),
  release: (...args) => file.release(...args),
  find: (key) => file.find(key),
  close: () => file.close(),
};
const watched = {
  scheme: transport.scheme,
  apply: (wanted) => transport.apply(wanted),
  counts: (name) => transport.counts(name),
  publish: (message) => around('publish', () => transport.publish(message), 'confirmed'),
  async consume(name, options, onDelivery) {
    const subscription = await transport.consume(name, options, (delivery) => {
      onDelivery({
        message: delivery.message,
        ack: () => around('ack', () => delivery.ack(), 'acked'),
        requeue: () => delivery.requeue(),
        reject: () => delivery.reject(),
      });
    });
    return {
      ended: subscription.ended,
      stop: () => subscription.stop(),
      close: () => subscription.close(),
      synchronise: () => around('synchronise', () => subscription.synchronise(), 'synchronised'),
    };
  },
};

const consumer = await startConsumer(
  { transport: watched, catalog, topology },
  queue,
  {
    async 'thing.happened'({ id, data: { kind } }, { attempt, once }) {
      reach('handler');
      if (kind === 'poison') throw new Error(`cannot digest ${id}`);
      if (kind === 'permanent') throw new PermanentError('never will');
      if (kind === 'flaky' && attempt < 2) throw new Error('not yet');
      await once(
        () => {
          appendFileSync(effects, `${id}\n`);
          reach('effect');
        },
        { leaseMs: 100, waitMs: 50 },
      );
      reach('handled');
    },
  },
  { idempotency: store, retry: { delaysMs }, circuit: false, prefetch: 20 },
);
process.stdout.write('ready\n');
process.once('SIGTERM', async () => {
  await consumer.close();
  await transport.close();
  await file.close();
});
