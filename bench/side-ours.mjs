/** Our side: `connect()` as a service uses it, zod validation on, on the broker of the URL. */
import { atma, connect, openIdempotencyStore } from '../dist/index.js';
import { benchTopology, eventData, QUEUES, TYPE } from './events.mjs';
import { pipelined } from './window.mjs';

/** With `store`, the path of an idempotency store, each event is an effect that happens once. */
export async function open({ url, queues, window, prefetch, store: storePath }) {
  const { catalog } = atma.build({});
  const bus = await connect({ url, catalog, topology: benchTopology(queues) });
  await bus.setup();
  const events = eventData(1_000);
  const store = storePath && openIdempotencyStore(storePath);

  const consumeFrom = async (queue, count) => {
    const begun = performance.now();
    let finish;
    let fail;
    const finished = new Promise((resolve, reject) => {
      finish = resolve;
      fail = reject;
    });
    let seen = 0;
    const take = () => {
      seen += 1;
      // The ack follows the handler's return; the turn after it, all acks are on their way.
      if (seen === count) setImmediate(finish);
    };
    const takeOnce = async (_event, { once }) => {
      const { ran } = await once(take);
      if (!ran) fail(new Error('an effect was skipped'));
    };
    const subscription = await bus.consume(
      queue,
      { [TYPE]: store ? takeOnce : take },
      {
        prefetch,
        idempotency: store,
        onDeadLetter: ({ message }) => fail(new Error(`a delivery was given up: ${message}`)),
      },
    );
    subscription.ended.catch(fail);
    await finished;
    await subscription.close();
    const elapsed = performance.now() - begun;
    const counts = await bus.transport.counts(queue);
    if (counts.ready !== 0) throw new Error(`${counts.ready} messages left after consuming`);
    return elapsed;
  };

  return {
    /** Milliseconds for `count` confirmed publishes. */
    async publish(count) {
      const begun = performance.now();
      await pipelined(count, window, (n, done) => {
        bus.publish(TYPE, events[n % events.length]).then(() => done(), done);
      });
      return performance.now() - begun;
    },

    /** Milliseconds to take `count` messages of the first queue and ack each; the other queues are emptied untimed. */
    async consume(count) {
      const elapsed = await consumeFrom(QUEUES[0], count);
      for (const queue of QUEUES.slice(1, queues)) await consumeFrom(queue, count);
      return elapsed;
    },

    async close() {
      await bus.close();
      await store?.close();
    },
  };
}
