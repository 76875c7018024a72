/** What a consumer costs that waits for events and gets none. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startChild } from './child.mjs';

/** Long enough for start-up work and the compiler's threads to have ended. */
const SETTLE_MS = 2_000;

export async function measureIdle({ quick, folder, broker, defer, log }) {
  const seconds = quick ? 5 : 10;
  const { url } = await broker();
  const urls = { ours: `embedded:${join(folder, 'idle.db')}`, rival: url };
  const consumers = {};
  for (const [name, address] of Object.entries(urls)) {
    consumers[name] = await startChild('./pace-side.mjs', { role: 'consumer', url: address }, defer);
    await deliverOne(consumers[name], address, defer);
  }
  await pause(SETTLE_MS);
  log(`idle: watching two waiting consumers for ${seconds} s`);
  const before = await look(consumers);
  await pause(seconds * 1_000);
  const after = await look(consumers);
  // It was waiting all the time, not dead: the next event still arrives.
  for (const [name, address] of Object.entries(urls)) await deliverOne(consumers[name], address, defer);
  for (const consumer of Object.values(consumers)) await consumer.stop();

  const share = (name) =>
    (100 * (after[name].micros - before[name].micros)) / (after[name].at - before[name].at);
  return [
    {
      bench: 'idle',
      what: `a waiting consumer, embedded, share of a core over ${seconds} s`,
      unit: ' %',
      ours: share('ours'),
      rival: share('rival'),
      rivalName: 'ours on RabbitMQ',
      ratio: share('ours') / share('rival'),
      goal: { on: 'ours', is: 'under', value: 1 },
    },
  ];
}

async function look(consumers) {
  const entries = Object.entries(consumers).map(async ([name, child]) => [name, await child.call('cpu')]);
  return Object.fromEntries(await Promise.all(entries));
}

async function deliverOne(consumer, url, defer) {
  const received = consumer.call('received', 1);
  const publisher = await startChild('./pace-side.mjs', { role: 'publisher', url }, defer);
  await publisher.call('send', 1, 0, [0, 0]);
  await received;
  await publisher.stop();
}
