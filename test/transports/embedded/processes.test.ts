import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bind, exchange, queue } from '../../../src/core/topology/model.js';
import { createEmbeddedTransport } from '../../../src/transports/embedded/index.js';
import { eventually } from '../../await.js';
import { type Child, runProgram } from './child.js';
import { bodies, message, useScene } from './scene.js';

const scene = useScene();

test('processes that create the file at the same instant all find it whole', async () => {
  const names = Array.from({ length: 6 }, (_, index) => `queue-${index}`);
  const children = names.map((name) => runProgram('declare.mjs', scene.path, name));
  await Promise.all(children.map((child) => child.printed('ready')));
  for (const child of children) child.say('go');
  expect(await Promise.all(children.map((child) => child.exited()))).toEqual(names.map(() => 0));

  const transport = scene.open();
  for (const name of names) expect(await bodies(transport.browse(name))).toEqual([name]);
});

test('file, folder, bell and sessions are for their owner only', async () => {
  const nested = createEmbeddedTransport(join(scene.folder, 'new', 'nested', 'broker.db'));
  await nested.open();
  await nested.close();
  const transport = scene.open();
  await transport.apply({ exchanges: [], queues: [queue('q')], bindings: [] });
  await transport.consume('q', {}, () => {});
  const [session = ''] = readdirSync(`${scene.path}-sessions`);
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
  expect(mode(join(scene.folder, 'new', 'nested'))).toBe('700');
  expect(mode(scene.path)).toBe('600');
  expect(mode(`${scene.path}-wal`)).toBe('600');
  expect(mode(`${scene.path}-bell`)).toBe('600');
  expect(mode(`${scene.path}-sessions`)).toBe('700');
  expect(mode(`${scene.path}-sessions/${session}`)).toBe('600');
});

test('consumers in several processes share a queue: each message goes to one of them', async () => {
  const transport = scene.open();
  await transport.apply({ exchanges: [], queues: [queue('work')], bindings: [] });
  const consumers = [1, 2, 3].map(() => runProgram('consume-forever.mjs', scene.path, 'work'));
  await Promise.all(consumers.map((child) => child.printed('ready')));
  const ids = Array.from({ length: 2_000 }, (_, index) => `m${index}`);
  await Promise.all(
    ids.map((id) => transport.publish(message('', 'work', id, { properties: { messageId: id } }))),
  );
  const acked = () => consumers.map((child) => idsAfter(child, 'acked'));
  await eventually('all are acked', () => acked().flat().length === ids.length);
  const delivered = consumers.flatMap((child) => idsAfter(child, 'delivered'));
  expect(delivered.sort()).toEqual([...ids].sort());
  expect(acked().filter((ofOne) => ofOne.length > 0).length).toBeGreaterThan(1);
  await Promise.all(consumers.map((child) => child.kill()));
});

test('a session leaves nothing behind when its transport closes', async () => {
  const transport = scene.open();
  await transport.apply({ exchanges: [exchange('x', 'topic')], queues: [queue('q')], bindings: [] });
  await transport.consume('q', {}, () => {});
  await transport.tap({ bindings: [{ exchange: 'x', key: '#' }] }, { onMessage: () => {}, onGap: () => {} });
  expect(readdirSync(`${scene.path}-sessions`)).toHaveLength(1);
  await transport.close();
  expect(readdirSync(`${scene.path}-sessions`)).toEqual([]);
  expect(existsSync(`${scene.path}-wal`)).toBe(false);
});

test.each([
  ['after publishing', 'publish'],
  ['after its consumer was closed', 'consume-and-close'],
])('an open transport does not keep its process alive %s', async (_, what) => {
  await scene.open().apply({ exchanges: [], queues: [queue('q')], bindings: [] });
  const child = runProgram('leave-open.mjs', scene.path, what);
  await child.printed('ready');
  expect(await child.exited()).toBe(0);
});

test('a consumer keeps its process alive, and closing the transport lets it end', async () => {
  await scene.open().apply({ exchanges: [], queues: [queue('q')], bindings: [] });
  const child = runProgram('leave-open.mjs', scene.path, 'consume');
  await child.printed('ready');
  await scene.open().publish(message('', 'q', 'still there?'));
  await child.printed('got still there?');
  child.say('close');
  expect(await child.exited()).toBe(0);
});

test('the tap of a killed owner is bounded while it lasts, and goes with its session', async () => {
  const transport = scene.open();
  await transport.apply({
    exchanges: [exchange('x', 'topic')],
    queues: [queue('q')],
    bindings: bind('x', 'q', '#'),
  });
  const owner = runProgram('hold-tap.mjs', scene.path);
  await owner.printed('ready');
  await Promise.all(
    Array.from({ length: 500 }, (_, index) => transport.publish(message('x', 'k', `${index}`))),
  );
  await owner.kill();
  expect(await transport.counts('q')).toEqual({ ready: 500, consumers: 0 });
  expect(readdirSync(`${scene.path}-sessions`)).toEqual([]);
});

test('a stopped consumer keeps what it holds until it is killed', async () => {
  const transport = scene.open();
  await transport.apply({ exchanges: [], queues: [queue('work')], bindings: [] });
  const consumer = runProgram('hold-one.mjs', scene.path, 'work');
  await consumer.printed('ready');
  await transport.publish(message('', 'work', 'held'));
  await consumer.printed('holding held');
  consumer.process.kill('SIGSTOP');
  expect(await transport.counts('work')).toEqual({ ready: 0, consumers: 1 });
  await consumer.kill();
  expect(await transport.counts('work')).toEqual({ ready: 1, consumers: 0 });
});

test('a waiting consumer of another process is woken within milliseconds', async () => {
  const transport = scene.open();
  await transport.apply({ exchanges: [], queues: [queue('timed')], bindings: [] });
  const waiting = runProgram('wait-and-time.mjs', scene.path);
  await waiting.printed('ready');
  for (let sent = 1; sent <= 100; sent++) {
    await transport.publish(message('', 'timed', String(process.hrtime.bigint())));
    await eventually('it arrives', () => times(waiting).length === sent);
  }
  const sorted = times(waiting).sort((a, b) => a - b);
  // Twice the goal for p50 (5 ms), for a machine busy with other suites; the benchmark asserts the goal itself.
  expect(sorted[50]).toBeLessThan(10);
  await waiting.kill();
});

function idsAfter(child: Child, start: string): string[] {
  return child.lines
    .map((line) => line.split(' '))
    .flatMap(([first, id]) => (first === start && id ? [id] : []));
}

function times(child: Child): number[] {
  return idsAfter(child, 'took').map(Number);
}
