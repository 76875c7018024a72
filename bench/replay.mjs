/**
 * Bringing dead letters back: `replay-dlq` as a whole process (start, ledger, replay, end) against RabbitMQ's shovel
 * plugin with acknowledgements on confirm, on one broker, taking turns. Ours moves queue A to B, the shovel B to A.
 * Then `dlq groups` over all of them.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'amqplib';
import { eventData, wireMessage } from './events.mjs';
import { measureCli } from './measured-cli.mjs';
import { comparePairs } from './stats.mjs';

const A = 'bench_dead_letters';
const B = 'bench_brought_back';
const PREFETCH = 1_000;
/** Between two looks at how many messages the shovel has moved, in milliseconds. */
const LOOK_MS = 10;

export async function measureReplay({ quick, folder, broker, defer, log }) {
  const count = quick ? 30_000 : 100_000;
  const rounds = quick ? 2 : 5;
  const { url, managementUrl } = await broker();
  const directory = join(folder, 'replay');
  mkdirSync(directory);
  const connection = await connect(url);
  defer(() => connection.close());
  const channel = await connection.createConfirmChannel();
  for (const queue of [A, B]) await channel.assertQueue(queue, { durable: true });
  await fill(channel, count);
  log(`replay: ${count.toLocaleString('en')} dead letters written`);

  const cli = (...args) => measureCli(directory, [...args, '--url', url], defer);
  const ours = [];
  const rival = [];
  let peakBytes = 0;
  // The first round warms the broker up and brings both queues' files to their size.
  for (let round = 0; round <= rounds; round++) {
    const replayed = await cli('replay-dlq', A, '--to', B, '--yes', '--json');
    const report = JSON.parse(replayed.out);
    if (report.replayed !== count) throw new Error(`not all were replayed: ${replayed.out}`);
    const shovelled = await shovel(channel, managementUrl, count);
    if (round === 0) continue;
    ours.push((count / replayed.elapsed) * 1_000);
    rival.push((count / shovelled) * 1_000);
    peakBytes = Math.max(peakBytes, replayed.peakBytes);
    log(`replay: round ${round} of ${rounds}`);
  }
  const grouped = await cli('dlq', 'groups', A, '--json');
  const groups = JSON.parse(grouped.out);
  const seen = groups.reduce((sum, group) => sum + group.messages, 0);
  if (seen !== count) throw new Error(`${seen} of ${count} were grouped`);
  const about = `${count.toLocaleString('en')} dead letters`;
  return [
    {
      bench: 'replay',
      what: `replay-dlq, ${about}, ledger on, whole process`,
      unit: '/s',
      rivalName: 'shovel, on-confirm',
      ...comparePairs(ours, rival),
      goal: { on: 'ratio', is: 'at least', value: 1 },
    },
    {
      bench: 'replay',
      what: `replay-dlq, ${about}, peak memory`,
      unit: ' MB',
      ours: peakBytes / 1e6,
      goal: { on: 'ours', is: 'under', value: 200 },
    },
    {
      bench: 'replay',
      what: `dlq groups, ${about}, whole process`,
      unit: ' s',
      ours: grouped.elapsed / 1_000,
      goal: { on: 'ours', is: 'under', value: 10 },
    },
  ];
}

/** Dead letters as the broker makes them when a consumer of `B` rejects: one death each. */
async function fill(channel, count) {
  const messages = eventData(1_000).map((data) => wireMessage(data, new Date()));
  const death = {
    count: 1,
    exchange: 'atma_events_exchange',
    queue: B,
    reason: 'rejected',
    'routing-keys': ['analysis.completed'],
    time: { '!': 'timestamp', value: Math.floor(Date.now() / 1_000) },
  };
  const headers = {
    'x-death': [death],
    'x-first-death-exchange': 'atma_events_exchange',
    'x-first-death-queue': B,
    'x-first-death-reason': 'rejected',
  };
  for (let sent = 0; sent < count; sent += 1_000) {
    for (const [at, { body, properties }] of messages.entries()) {
      channel.sendToQueue(A, body, { ...properties, messageId: `dead-${sent + at}`, headers });
    }
    await channel.waitForConfirms();
  }
}

/** Milliseconds in which a dynamic shovel moves everything from B to A, seen by the growth of A. */
async function shovel(channel, managementUrl, count) {
  const value = {
    'src-uri': 'amqp://',
    'src-queue': B,
    'src-prefetch-count': PREFETCH,
    'src-delete-after': 'queue-length',
    'dest-uri': 'amqp://',
    'dest-queue': A,
    'ack-mode': 'on-confirm',
  };
  const begun = performance.now();
  await management(managementUrl, 'PUT', { value });
  while ((await channel.checkQueue(A)).messageCount < count) await pause(LOOK_MS);
  const elapsed = performance.now() - begun;
  // It deletes itself when done; until its source is empty it is not.
  while ((await channel.checkQueue(B)).messageCount > 0) await pause(LOOK_MS);
  while ((await management(managementUrl, 'GET')) !== 404) await pause(LOOK_MS);
  return elapsed;
}

async function management(managementUrl, method, body) {
  const response = await fetch(`${managementUrl}/api/parameters/shovel/%2F/bench`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from('guest:guest').toString('base64')}`,
      'content-type': 'application/json',
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  await response.body?.cancel();
  if (method === 'PUT' && !response.ok) throw new Error(`the shovel was refused: ${response.status}`);
  return response.status;
}
