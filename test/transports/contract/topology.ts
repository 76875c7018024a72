/** Declaring, inspecting and removing exchanges, queues and bindings. */
import { describe, expect } from 'vitest';
import { bind, EMPTY_TOPOLOGY, exchange, queue, type Topology } from '../../../src/core/topology/model.js';
import { ABSENT, AS_DECLARED, type Observation } from '../../../src/core/topology/observe.js';
import type { Harness } from './harness.js';
import { message, outcome } from './publishing.js';
import { type ContractTest, type Scene, texts } from './scene.js';

export function topologyTests(test: ContractTest, harness: Harness): void {
  describe('inspecting', () => {
    test('what is not there is absent, and looking creates nothing', async ({ scene }) => {
      const topology = everyKind(scene);
      const absent = {
        exchanges: topology.exchanges.map(() => ABSENT),
        queues: topology.queues.map(() => ABSENT),
        bindings: topology.bindings.map(() => ABSENT),
      };
      expect(await scene.transport.inspect(topology)).toEqual(absent);
      expect(await scene.transport.inspect(topology)).toEqual(absent);
    });

    test('what was applied is as declared', async ({ scene }) => {
      const topology = everyKind(scene);
      await scene.transport.apply(topology);
      const other = await scene.open();
      expect(await other.inspect(topology)).toEqual({
        exchanges: topology.exchanges.map(() => AS_DECLARED),
        queues: topology.queues.map(() => AS_DECLARED),
        bindings: topology.bindings.map(() => AS_DECLARED),
      });
    });

    test('each attribute of a queue that differs is named with both values', async ({ scene }) => {
      const name = scene.name('queue');
      await scene.declare({
        queues: [
          queue(name, { 'x-message-ttl': 1_000, 'x-dead-letter-exchange': 'old', 'x-max-priority': 5 }),
        ],
      });
      const wanted = queue(
        name,
        { 'x-message-ttl': 2_000, 'x-dead-letter-exchange': 'old', 'x-max-length': 7 },
        { durable: false, autoDelete: true },
      );
      const { queues } = await scene.transport.inspect({ ...EMPTY_TOPOLOGY, queues: [wanted] });
      expect(sorted(queues[0])).toEqual([
        { attribute: 'autoDelete', desired: true, actual: false },
        { attribute: 'durable', desired: false, actual: true },
        { attribute: 'x-max-length', desired: 7, actual: undefined },
        { attribute: 'x-max-priority', desired: undefined, actual: 5 },
        { attribute: 'x-message-ttl', desired: 2_000, actual: 1_000 },
      ]);
    });

    test('each attribute of an exchange that differs is named with both values', async ({ scene }) => {
      const name = scene.name('exchange');
      await scene.declare({ exchanges: [exchange(name, 'topic')] });
      const wanted = exchange(name, 'direct', { durable: false, autoDelete: true });
      const { exchanges } = await scene.transport.inspect({ ...EMPTY_TOPOLOGY, exchanges: [wanted] });
      expect(sorted(exchanges[0])).toEqual([
        { attribute: 'autoDelete', desired: true, actual: false },
        { attribute: 'durable', desired: false, actual: true },
        { attribute: 'type', desired: 'direct', actual: 'topic' },
      ]);
    });

    test('a binding is absent unless exchange, queue and key all agree', async ({ scene }) => {
      const [source, other] = [await scene.exchange('topic'), await scene.exchange('topic')];
      const [target, spare] = [await scene.queue(), await scene.queue()];
      await scene.bind(source, target, 'a.*');
      const bindings = [
        ...bind(source, target, 'a.*', 'a.#', 'a.b'),
        ...bind(source, spare, 'a.*'),
        ...bind(other, target, 'a.*'),
      ];
      const seen = await scene.transport.inspect({ ...EMPTY_TOPOLOGY, bindings });
      expect(seen.bindings).toEqual([AS_DECLARED, ABSENT, ABSENT, ABSENT, ABSENT]);
    });
  });

  describe('applying', () => {
    test('applying again changes nothing and loses no message', async ({ scene }) => {
      const topology = everyKind(scene);
      await scene.transport.apply(topology);
      const [first] = topology.queues;
      await scene.put(first?.name ?? '', 'kept');
      await scene.transport.apply(topology);
      await (await scene.open()).apply(topology);
      expect(texts(await scene.take(first?.name ?? '', 1))).toEqual(['kept']);
    });

    test('applying twice at once succeeds twice', async ({ scene }) => {
      const topology = everyKind(scene);
      const transports = await Promise.all([1, 2, 3].map(() => scene.open()));
      await Promise.all(transports.map((transport) => transport.apply(topology)));
      const { queues, bindings } = await scene.transport.inspect(topology);
      expect([...queues, ...bindings].every(({ state }) => state === 'present')).toBe(true);
    });

    test('a queue with other arguments is a conflict, and stays as it was with its messages', async ({
      scene,
    }) => {
      const name = scene.name('queue');
      const before = queue(name, { 'x-max-length': 10 });
      await scene.declare({ queues: [before] });
      await scene.put(name, 'kept');
      const conflict = scene.declare({ queues: [queue(name, { 'x-max-length': 20 })] });
      await expect(conflict).rejects.toMatchObject({ code: 'topology-conflict' });
      const { queues } = await scene.transport.inspect({ ...EMPTY_TOPOLOGY, queues: [before] });
      expect(queues).toEqual([AS_DECLARED]);
      expect(texts(await scene.take(name, 1))).toEqual(['kept']);
    });

    test('an exchange of another type is a conflict', async ({ scene }) => {
      const name = scene.name('exchange');
      await scene.declare({ exchanges: [exchange(name, 'topic')] });
      const conflict = scene.declare({ exchanges: [exchange(name, 'fanout')] });
      await expect(conflict).rejects.toMatchObject({ code: 'topology-conflict' });
    });

    test('the error of a conflict names what is in conflict', async ({ scene }) => {
      const name = await scene.queue({ 'x-message-ttl': 1_000 });
      const conflict = scene.declare({ queues: [queue(name, { 'x-message-ttl': 2_000 })] });
      await expect(conflict).rejects.toThrow(name);
    });

    test('a conflict leaves consumers and publishes of the same transport alone', async ({ scene }) => {
      const name = await scene.queue({ 'x-message-ttl': 60_000 });
      const publishes = Array.from({ length: 100 }, (_, index) => scene.put(name, String(index)));
      const conflict = scene.declare({ queues: [queue(name)] });
      await expect(conflict).rejects.toMatchObject({ code: 'topology-conflict' });
      await Promise.all(publishes);
      expect(await scene.ready(name)).toBe(100);
    });

    if (!harness.features.remote) {
      test('a conflict leaves everything else of its topology undone', async ({ scene }) => {
        const taken = await scene.queue();
        const topology = everyKind(scene);
        const conflicting = {
          ...topology,
          queues: [...topology.queues, queue(taken, { 'x-max-length': 1 })],
        };
        await expect(scene.transport.apply(conflicting)).rejects.toMatchObject({ code: 'topology-conflict' });
        const { exchanges, queues, bindings } = await scene.transport.inspect(topology);
        expect([...exchanges, ...queues, ...bindings].every(({ state }) => state === 'absent')).toBe(true);
      });
    }
  });

  describe('removing', () => {
    test('queues and exchanges go with their messages and bindings', async ({ scene }) => {
      const topology = everyKind(scene);
      await scene.transport.apply(topology);
      const [first] = topology.queues;
      await scene.put(first?.name ?? '', 'gone');
      await scene.transport.remove({
        queues: topology.queues.map(({ name }) => name),
        exchanges: topology.exchanges.map(({ name }) => name),
      });
      const { exchanges, queues, bindings } = await scene.transport.inspect(topology);
      expect([...exchanges, ...queues, ...bindings].every(({ state }) => state === 'absent')).toBe(true);
      await scene.transport.apply(topology);
      expect(await scene.ready(first?.name ?? '')).toBe(0);
    });

    test('what is missing is skipped, and the rest is still removed', async ({ scene }) => {
      const [missing, there] = [scene.name('missing'), await scene.queue()];
      await scene.transport.remove({ queues: [missing, there], exchanges: [missing] });
      expect(await scene.transport.counts(there)).toBeUndefined();
      await scene.transport.remove({});
    });

    test('a removed queue takes only its own bindings along', async ({ scene }) => {
      const source = await scene.exchange('fanout');
      const [gone, kept] = [await scene.queue(), await scene.queue()];
      await scene.bind(source, gone, '');
      await scene.bind(source, kept, '');
      await scene.transport.remove({ queues: [gone] });
      expect(await outcome(scene, message(source, '', 'x'))).toBe('confirmed');
      expect(await scene.ready(kept)).toBe(1);
    });
  });
}

/** Exchanges of every type, queues with every argument that the product uses, and bindings between them. */
function everyKind(scene: Scene): Topology {
  const [topic, direct, fanout] = (['topic', 'direct', 'fanout'] as const).map((type) =>
    exchange(scene.name('exchange'), type),
  );
  if (topic === undefined || direct === undefined || fanout === undefined) throw new Error('unreachable');
  const plain = queue(scene.name('queue'));
  const full = queue(scene.name('queue'), {
    'x-message-ttl': 60_000,
    'x-max-length': 100,
    'x-max-length-bytes': 1_000_000,
    'x-overflow': 'reject-publish',
    'x-max-priority': 10,
    'x-dead-letter-exchange': direct.name,
    'x-dead-letter-routing-key': 'dlq',
  });
  return {
    exchanges: [topic, direct, fanout, exchange(scene.name('exchange'), 'topic', { durable: false })],
    queues: [plain, full],
    bindings: [
      ...bind(topic.name, plain.name, 'a.*', 'b.#', ''),
      ...bind(direct.name, full.name, 'dlq'),
      ...bind(fanout.name, full.name, ''),
    ],
  };
}

function sorted(observation: Observation | undefined) {
  if (observation?.state !== 'present') return observation;
  return observation.differences.toSorted((a, b) => a.attribute.localeCompare(b.attribute));
}
