import { expect, test } from 'vitest';
import { exchange, queue } from '../../../src/core/topology/model.js';
import { topology } from './queues.js';
import { useScene } from './scene.js';

const scene = useScene();

test.each([
  ['x-expires', 1000],
  ['x-single-active-consumer', true],
  ['x-delivery-limit', 3],
  ['x-queue-type', 'quorum'],
  ['x-queue-type', 'stream'],
  ['x-max-age', '1h'],
])('%s=%s, which RabbitMQ would honour, is refused by name', async (name, value) => {
  const applied = scene.open().apply(topology({ queues: [queue('q', { [name]: value })] }));
  await expect(applied).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining(name),
  });
});

test.each([
  ['x-message-ttl', -1],
  ['x-message-ttl', '60'],
  ['x-message-ttl', 2 ** 32],
  ['x-max-length', 1.5],
  ['x-max-priority', 256],
  ['x-overflow', 'drop-tail'],
  ['x-dead-letter-exchange', 1],
  ['x-dead-letter-routing-key', 'no exchange'],
])('%s=%s is refused, as RabbitMQ does', async (name, value) => {
  const applied = scene.open().apply(topology({ queues: [queue('q', { [name]: value })] }));
  await expect(applied).rejects.toMatchObject({
    code: 'topology-conflict',
    message: expect.stringContaining(name),
  });
});

test.each([
  ['x-queue-type', 'classic'],
  ['x-single-active-consumer', false],
  ['x-queue-mode', 'lazy'],
  ['something-else', 'x'],
])('%s=%s is taken: it changes nothing', async (name, value) => {
  await scene.open().apply(topology({ queues: [queue('q', { [name]: value })] }));
});

test('a topology that contradicts itself is a conflict, and nothing of it is done', async () => {
  const transport = scene.open();
  const contradiction = topology({ queues: [queue('q'), queue('q', { 'x-max-length': 1 })] });
  await expect(transport.apply(contradiction)).rejects.toMatchObject({
    code: 'topology-conflict',
    message: expect.stringContaining('x-max-length is not set, expected 1'),
  });
  expect(await transport.counts('q')).toBeUndefined();
});

test('names that begin with amq. are reserved, and the usual exchanges of RabbitMQ are there', async () => {
  const transport = scene.open();
  await transport.apply(topology({ exchanges: [exchange('amq.topic', 'topic')] }));
  const refused = { code: 'access-refused' };
  await expect(transport.apply(topology({ queues: [queue('amq.mine')] }))).rejects.toMatchObject(refused);
  await expect(
    transport.apply(topology({ exchanges: [exchange('amq.mine', 'topic')] })),
  ).rejects.toMatchObject(refused);
});
