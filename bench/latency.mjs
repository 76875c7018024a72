/** From a publish call in one process to the handler in another, at a pace that lets the consumer fall asleep. */
import { join } from 'node:path';
import { startChild } from './child.mjs';
import { quantile } from './stats.mjs';

const GAPS_MS = [5, 60];
const WARM_UP = 20;

export async function measureLatency({ quick, folder, broker, defer, log }) {
  const rounds = quick ? 2 : 3;
  const perRound = quick ? 60 : 120;
  const { url } = await broker();
  const pairs = {
    embedded: await startPair(`embedded:${join(folder, 'latency.db')}`, defer),
    rabbitmq: await startPair(url, defer),
  };
  const latencies = { embedded: [], rabbitmq: [] };
  for (const pair of Object.values(pairs)) await exchange(pair, WARM_UP, 0);
  for (let round = 1; round <= rounds; round++) {
    for (const [name, pair] of Object.entries(pairs)) {
      latencies[name].push(...(await exchange(pair, perRound, round)));
    }
    log(`latency: round ${round} of ${rounds}`);
  }
  for (const { publisher, consumer } of Object.values(pairs)) {
    await publisher.stop();
    await consumer.stop();
  }

  const row = (name, share, limit) => {
    const [ours, rival] = [quantile(latencies.embedded, share), quantile(latencies.rabbitmq, share)];
    return {
      bench: 'latency',
      what: `process to process, embedded, ${name} of ${latencies.embedded.length}`,
      unit: ' ms',
      ours,
      rival,
      rivalName: 'ours on RabbitMQ',
      ratio: ours / rival,
      goal: { on: 'ours', is: 'under', value: limit },
    };
  };
  return [row('p50', 0.5, 5), row('p99', 0.99, 15)];
}

async function startPair(url, defer) {
  const consumer = await startChild('./pace-side.mjs', { role: 'consumer', url }, defer);
  const publisher = await startChild('./pace-side.mjs', { role: 'publisher', url }, defer);
  return { consumer, publisher };
}

async function exchange({ publisher, consumer }, count, seed) {
  const received = consumer.call('received', count);
  await publisher.call('send', count, seed, GAPS_MS);
  return received;
}
