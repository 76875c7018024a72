/**
 * Confirmed publish, and consume and ack: raw amqplib, ours, and ours with an idempotency store on one RabbitMQ, ours on
 * the embedded broker with one queue bound and with two. Sides take turns; each empties what it published before the next begins.
 */
import { join } from 'node:path';
import { startChild } from './child.mjs';
import { comparePairs } from './stats.mjs';

const WINDOW = 1_000;
const PREFETCH = 500;
/** Rounds that do not count: 60,000 messages a side, after which the compiler has seen everything. */
const WARM_UP = 2;

/** `only` is `publish`, `consume` or undefined for both. */
export async function measureRates({ quick, folder, broker, defer, log, versions }, only) {
  // Rounds of a second or more: it is the sustained rate that is compared. Many of them, taken in turn: what
  // disturbs the machine then hits both halves of a pair.
  const rounds = quick ? 7 : 21;
  const counts = { remote: 30_000, embedded: 40_000 };
  const { url } = await broker();
  const common = { window: WINDOW, prefetch: PREFETCH };
  const embedded = (queues) => ({
    side: 'ours',
    url: `embedded:${join(folder, `rates-${queues}.db`)}`,
    queues,
    ...common,
  });
  const start = (options) => startChild('./rate-side.mjs', options, defer);
  // Ours first: its set-up makes the exchange and the queue that both use.
  const ours = await start({ side: 'ours', url, queues: 1, ...common });
  const raw = await start({ side: 'amqplib', url, ...common });
  versions.rabbitmq = await raw.call('version');
  await requireSameWire(ours, raw);
  const sides = [
    { name: 'raw', child: raw, count: counts.remote },
    { name: 'ours', child: ours, count: counts.remote },
    {
      name: 'once',
      child: await start({ side: 'ours', url, queues: 1, ...common, store: join(folder, 'once.db') }),
      count: counts.remote,
    },
    { name: 'embedded', child: await start(embedded(1)), count: counts.embedded },
    { name: 'embedded2', child: await start(embedded(2)), count: counts.embedded },
  ];

  const publish = Object.fromEntries(sides.map(({ name }) => [name, []]));
  const consume = Object.fromEntries(sides.map(({ name }) => [name, []]));
  // The first rounds warm up. Every other round goes backwards, so that no side always follows the same other.
  for (let round = 1 - WARM_UP; round <= rounds; round++) {
    for (const { name, child, count } of round % 2 === 0 ? sides : sides.toReversed()) {
      const published = count / (await child.call('publish', count));
      const consumed = count / (await child.call('consume', count));
      if (round < 1) continue;
      publish[name].push(published * 1_000);
      consume[name].push(consumed * 1_000);
    }
    if (round % 10 === 0 || round === rounds) log(`rates: round ${round} of ${rounds}`);
  }
  for (const { child } of sides) await child.stop();
  const rows = [...publishRows(publish), ...consumeRows(consume)];
  return only === undefined ? rows : rows.filter(({ bench }) => bench === only);
}

function publishRows({ raw, ours, embedded, embedded2 }) {
  const about = `confirmed, window ${WINDOW.toLocaleString('en')}`;
  const remote = 'ours on RabbitMQ';
  const row = rowOf('publish');
  return [
    row(`publish on RabbitMQ, ${about}`, 'raw amqplib', comparePairs(ours, raw), 0.95),
    row(`publish embedded, ${about}, 1 queue`, remote, comparePairs(embedded, ours), 4),
    row(`publish embedded, ${about}, 2 queues`, remote, comparePairs(embedded2, ours), 4),
  ];
}

function consumeRows({ raw, ours, once, embedded, embedded2 }) {
  const about = `prefetch ${PREFETCH}`;
  const remote = 'ours on RabbitMQ';
  const row = rowOf('consume');
  return [
    row(`consume on RabbitMQ, retries wired, ${about}`, 'raw amqplib', comparePairs(ours, raw), 0.85),
    row(`the same, each effect once (SQLite)`, 'raw amqplib', comparePairs(once, raw), 0.5),
    row(`consume and ack embedded, ${about}, 1 queue`, remote, comparePairs(embedded, ours), 2),
    row(`consume and ack embedded, ${about}, 2 queues`, remote, comparePairs(embedded2, ours), 2),
  ];
}

function rowOf(bench) {
  return (what, rivalName, pairs, value) => ({
    bench,
    what,
    rivalName,
    unit: '/s',
    ...pairs,
    goal: { on: 'ratio', is: 'at least', value },
  });
}

/** The comparison is worth nothing unless both sides send messages of the same size with the same properties. */
async function requireSameWire(ours, raw) {
  await ours.call('publish', 1);
  const mine = JSON.stringify(await raw.call('wire'));
  await raw.call('publish', 1);
  const theirs = JSON.stringify(await raw.call('wire'));
  if (mine !== theirs) throw new Error(`the two sides send different messages:\n${mine}\n${theirs}`);
}
