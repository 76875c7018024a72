/** A publisher in its own process, through an outbox and past it: `{ url, path, window }`. */
import { atma, connect, createOutbox, createPublisher, EventsError, openOutboxStore } from '../dist/index.js';
import { serve } from './child.mjs';
import { benchTopology, eventData, QUEUES, TYPE } from './events.mjs';
import { pipelined } from './window.mjs';

serve(async ({ url, path, window }) => {
  const { catalog } = atma.build({});
  const bus = await connect({ url, catalog, topology: benchTopology(1) });
  await bus.setup();
  const events = eventData(1_000);
  let down = false;
  const outbox = createOutbox(
    {
      scheme: bus.transport.scheme,
      publish: (message) =>
        down ? Promise.reject(new EventsError('unreachable', 'down')) : bus.transport.publish(message),
    },
    openOutboxStore(path),
    { retry: { firstMs: 1, longestMs: 1 } },
  );
  const through = createPublisher(outbox, catalog);

  const publishAll = (publisher, count) =>
    pipelined(count, window, (n, done) => {
      publisher.publish(TYPE, events[n % events.length]).then(() => done(), done);
    });
  const timed = async (work) => {
    const begun = performance.now();
    await work();
    return performance.now() - begun;
  };
  const empty = async (count) => {
    const { ready } = await bus.transport.counts(QUEUES[0]);
    if (ready < count) throw new Error(`only ${ready} of ${count} arrived`);
    await bus.transport.remove({ queues: [QUEUES[0]] });
    await bus.setup();
  };

  return {
    /** Milliseconds for `count` confirmed publishes past the outbox. */
    async direct(count) {
      const elapsed = await timed(() => publishAll(bus, count));
      await empty(count);
      return elapsed;
    },

    /** The same through it, until all are on disk and all are confirmed. */
    async through(count) {
      const elapsed = await timed(async () => {
        await publishAll(through, count);
        await outbox.drained();
      });
      await empty(count);
      return elapsed;
    },

    /** Milliseconds to put them on disk while the broker is down, and then to send them. */
    async append(count) {
      down = true;
      const appended = await timed(() => publishAll(through, count));
      down = false;
      const sent = await timed(() => outbox.drained());
      await empty(count);
      return { appended, sent };
    },

    async close() {
      await outbox.close();
      await bus.close();
    },
  };
});
