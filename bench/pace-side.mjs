/** A publisher or a consumer of paced events, in its own process: `{ role, url }`. */
import { setTimeout as pause } from 'node:timers/promises';
import { atma, connect } from '../dist/index.js';
import { serve } from './child.mjs';
import { benchTopology, eventData, QUEUES, TYPE } from './events.mjs';
import { seeded } from './stats.mjs';

serve(async ({ role, url }) => {
  const { catalog } = atma.build({});
  const bus = await connect({ url, catalog, topology: benchTopology(1) });
  await bus.setup();
  const operations = role === 'publisher' ? publisher(bus) : await consumer(bus);
  return { ...operations, cpu, close: () => bus.close() };
});

function publisher(bus) {
  const [data] = eventData(1);
  return {
    /** Publishes `count` events at random gaps, each under the time of its publish call. */
    async send(count, seed, gapsMs) {
      const random = seeded(seed);
      const [shortest, longest] = gapsMs;
      for (let n = 0; n < count; n++) {
        await pause(shortest + random() * (longest - shortest));
        await bus.publish(TYPE, data, { correlationId: String(process.hrtime.bigint()) });
      }
    },
  };
}

async function consumer(bus) {
  let latencies = [];
  let arrived = () => {};
  const handle = ({ correlationId }) => {
    // CLOCK_MONOTONIC is one clock for all processes of a machine.
    latencies.push(Number(process.hrtime.bigint() - BigInt(correlationId)) / 1e6);
    arrived();
  };
  const subscription = await bus.consume(QUEUES[0], { [TYPE]: handle });
  subscription.ended.catch((error) => {
    throw error;
  });
  return {
    /** Milliseconds from publish call to handler of the next `count` events, in order of arrival. */
    async received(count) {
      await new Promise((resolve) => {
        arrived = () => latencies.length >= count && resolve();
        arrived();
      });
      const taken = latencies;
      latencies = [];
      return taken;
    },
  };
}

/** Microseconds of CPU that this process has used, all threads, and the time at which it looked. */
function cpu() {
  const { user, system } = process.cpuUsage();
  return { micros: user + system, at: Number(process.hrtime.bigint() / 1_000n) };
}
