import { beforeEach, describe, expect, test } from 'vitest';
import { isEventsError } from '../../../src/core/errors.js';
import { type Arguments, bind, exchange, queue, type Topology } from '../../../src/core/topology/model.js';
import type { Delivery, Subscription, Transport } from '../../../src/core/transport.js';
import { openDatabase } from '../../../src/storage/sqlite.js';
import { eventually } from '../../await.js';
import { brokenInvariants, stored } from './invariants.js';
import { message, useScene } from './scene.js';

const scene = useScene();
const EMPTY = { messages: 0, entries: 0 };

/** Each message goes to every one of these queues. */
function fanout(queues: Readonly<Record<string, Arguments>>): Topology {
  const names = Object.keys(queues);
  return {
    exchanges: [exchange('x', 'fanout'), exchange('dlx', 'fanout')],
    queues: [...names.map((name) => queue(name, queues[name])), queue('dead')],
    bindings: [...names.flatMap((name) => bind('x', name, '')), ...bind('dlx', 'dead', '')],
  };
}

async function publish(transport: Transport, count: number): Promise<void> {
  const texts = Array.from({ length: count }, (_, index) => `${index}`);
  await Promise.all(texts.map((text) => transport.publish(message('x', '', text))));
}

async function holdAll(transport: Transport, name: string, count: number): Promise<Delivery[]> {
  const held: Delivery[] = [];
  await transport.consume(name, { prefetch: count + 1 }, (delivery) => held.push(delivery));
  await eventually(`${count} of ${name} are held`, () => held.length === count);
  return held;
}

describe('a message that several queues have', () => {
  test('is gone when all of them acked it in the same turn', async () => {
    const transport = scene.open();
    await transport.apply(fanout({ a: {}, b: {}, c: {} }));
    await publish(transport, 500);
    const held = await Promise.all(['a', 'b', 'c'].map((name) => holdAll(transport, name, 500)));
    const settlements = await Promise.all(held.flat().map((delivery) => delivery.ack()));
    expect(new Set(settlements)).toEqual(new Set(['settled']));
    expect(stored(scene.path)).toEqual(EMPTY);
    expect(brokenInvariants(scene.path)).toEqual([]);
  });

  test('is gone when they acked, rejected and requeued it in the same turn, and then acked the rest', async () => {
    const transport = scene.open();
    const dying = { 'x-dead-letter-exchange': 'dlx' };
    await transport.apply(fanout({ a: {}, b: {}, c: dying, d: {}, e: {} }));
    await publish(transport, 200);
    const names = ['a', 'b', 'c', 'd', 'e'];
    const [a = [], b = [], c = [], d = [], e = []] = await Promise.all(
      names.map((name) => holdAll(transport, name, 200)),
    );
    await Promise.all([
      ...a.map((delivery) => delivery.ack()),
      ...b.map((delivery, index) => (index % 2 === 0 ? delivery.ack() : delivery.reject())),
      ...c.map((delivery, index) => (index % 3 === 0 ? delivery.reject() : delivery.ack())),
      ...d.filter((_, index) => index % 5 === 0).map((delivery) => delivery.ack()),
      ...e.map((delivery, index) => (index % 4 === 0 ? delivery.requeue() : delivery.ack())),
    ]);
    expect(brokenInvariants(scene.path)).toEqual([]);
    await eventually('what was requeued is held again', () => e.length === 250);
    const dead = await holdAll(transport, 'dead', 67);
    const rest = [...dead, ...e.slice(200), ...d.filter((_, index) => index % 5 !== 0)];
    await Promise.all(rest.map((delivery) => delivery.ack()));
    expect(stored(scene.path)).toEqual(EMPTY);
    expect(brokenInvariants(scene.path)).toEqual([]);
  });

  test('is gone when it expired, was dropped, went with its queue and was acked', async () => {
    let now = Date.now();
    const transport = scene.open({ now: () => now });
    const temporary = queue('temporary', {}, { autoDelete: true });
    await transport.apply(
      fanout({ held: {}, expiring: { 'x-message-ttl': 1_000 }, short: { 'x-max-length': 3 }, deleted: {} }),
    );
    await transport.apply({ exchanges: [], queues: [temporary], bindings: bind('x', 'temporary', '') });
    await publish(transport, 100);
    const held = await holdAll(transport, 'held', 100);
    const last = await transport.consume('temporary', { prefetch: 10 }, () => {});
    const acked = Promise.all(held.map((delivery) => delivery.ack()));
    now += 2_000;
    await Promise.all([acked, last.close(), transport.remove({ queues: ['deleted'] })]);
    expect((await transport.counts('expiring'))?.ready).toBe(0);
    expect(await transport.counts('temporary')).toBeUndefined();
    expect(brokenInvariants(scene.path)).toEqual([]);
    const short = await holdAll(transport, 'short', 3);
    await Promise.all(short.map((delivery) => delivery.ack()));
    expect(stored(scene.path)).toEqual(EMPTY);
  });
});

describe('after any operations in any order', () => {
  const QUEUES: Readonly<Record<string, Arguments>> = {
    plain: {},
    short: { 'x-max-length': 5, 'x-dead-letter-exchange': 'dlx' },
    dropping: { 'x-max-length': 7 },
    light: { 'x-max-length-bytes': 400 },
    expiring: { 'x-message-ttl': 40, 'x-dead-letter-exchange': 'dlx' },
    ranked: { 'x-max-priority': 3, 'x-dead-letter-exchange': 'dlx' },
    full: { 'x-max-length': 6, 'x-overflow': 'reject-publish-dlx', 'x-dead-letter-exchange': 'dlx' },
    circle: { 'x-message-ttl': 25, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'ranked' },
  };
  const ROUNDS = 120;
  const SEEDS = Array.from({ length: Number(process.env.SEEDS ?? 6) }, (_, index) => index + 1);

  test.each(SEEDS)('the file is sound, and empty once all is settled (seed %i)', async (seed) => {
    const random = randomFrom(seed);
    const below = (limit: number) => Math.floor(random() * limit);
    const pick = <T>(items: readonly T[]): T | undefined => items[below(items.length)];
    let now = 1_700_000_000_000;
    const transports = [scene.open({ now: () => now }), scene.open({ now: () => now })];
    const any = () => pick(transports) as Transport;
    const topology = fanout(QUEUES);
    const names = topology.queues.map(({ name }) => name);
    await any().apply(topology);
    let held: Delivery[] = [];
    const subscriptions: Subscription[] = [];

    const publishSome = () =>
      Promise.allSettled(
        Array.from({ length: 1 + below(12) }, () => {
          const properties = { priority: below(5), ...(below(4) === 0 && { expiration: `${below(60)}` }) };
          const target = below(3) === 0 ? message('', pick(names) ?? '', '') : message('x', '', '');
          return any().publish({ ...target, body: Buffer.alloc(below(90), 'x'), properties });
        }),
      );
    const settleSome = async () => {
      const chosen = new Set(held.filter(() => below(2) === 0));
      held = held.filter((delivery) => !chosen.has(delivery));
      const verdicts = ['ack', 'ack', 'ack', 'reject', 'requeue'] as const;
      await Promise.all([...chosen].map((delivery) => delivery[pick(verdicts) ?? 'ack']()));
    };
    const consumeSome = async () => {
      const options = { prefetch: 1 + below(20) };
      const opening = any().consume(pick(names) ?? '', options, (delivery) => held.push(delivery));
      const opened = await opening.catch(unlessReplaced);
      if (opened !== undefined) subscriptions.push(opened);
    };
    const tapSome = async () => {
      const handlers = { onMessage: () => {}, onGap: () => {} };
      const bindings = [{ exchange: 'x', key: '' }];
      subscriptions.push(await any().tap({ bindings, bufferLimit: 1 + below(5) }, handlers));
    };
    const endSome = async () => {
      const [ending] = subscriptions.splice(below(subscriptions.length), 1);
      await (below(2) === 0 ? ending?.close() : ending?.stop());
    };
    const replaceOne = async () => {
      await any().remove({ queues: [pick(names) ?? ''] });
      await any().apply(topology);
    };
    const letTimePass = async () => {
      now += below(30);
      await any().counts('plain');
    };
    const operations = [
      ...[publishSome, publishSome, publishSome, settleSome, settleSome, settleSome, settleSome],
      ...[consumeSome, consumeSome, tapSome, endSome, endSome, replaceOne, letTimePass, letTimePass],
    ];

    for (let round = 0; round < ROUNDS; round++) {
      const begun = Array.from({ length: 1 + below(3) }, () => pick(operations)?.());
      await Promise.all(begun);
      expect(brokenInvariants(scene.path)).toEqual([]);
    }
    await Promise.all(transports.map((transport) => transport.close()));
    expect(brokenInvariants(scene.path)).toEqual([]);

    const last = scene.open();
    await Promise.all(names.map((name) => last.consume(name, {}, (delivery) => void delivery.ack())));
    await eventually('all queues are empty', async () => {
      const counts = await Promise.all(names.map((name) => last.counts(name)));
      return counts.every((count) => count?.ready === 0);
    });
    await last.close();
    expect(brokenInvariants(scene.path)).toEqual([]);
    expect(stored(scene.path)).toEqual(EMPTY);
  });
});

describe('the checker', () => {
  beforeEach(async () => {
    const transport = scene.open();
    await transport.apply(fanout({ a: { 'x-message-ttl': 60_000 }, b: {} }));
    await publish(transport, 4);
    const held = await holdAll(transport, 'b', 4);
    await held[1]?.requeue();
    await eventually('it is held again', () => held.length === 5);
  });

  test.each([
    ['UPDATE message SET refs = 3 WHERE id = 2', 'a message counts the entries that name it'],
    ['INSERT INTO message VALUES (99, 1, "", "", "", x"00")', 'a message counts the entries that name it'],
    ['DELETE FROM message WHERE id = 2', 'an entry has its message'],
    ['UPDATE lane SET next = next - 1', 'an entry is in a lane, below its next position'],
    ['DELETE FROM queue WHERE name = "a"', 'a lane belongs to a queue'],
    ['UPDATE entry SET message = 1', 'a queue has a message once'],
    ['DELETE FROM entry WHERE id IN (SELECT min(id) FROM entry)', 'every position from the head on'],
    ['UPDATE lane SET ready = ready + 1', 'a lane counts its ready entries'],
    ['UPDATE lane SET bytes = bytes + 1', 'a lane counts the bytes of its ready entries'],
    ['UPDATE lane SET expiring = 0', 'a lane knows that something in it expires'],
    ['DELETE FROM claim', 'what was handed out is held by somebody or back'],
    ['INSERT INTO returned SELECT id FROM reheld', 'what is back is held by nobody'],
    ['INSERT INTO returned SELECT min(id) FROM entry', 'what is back or held again was handed out'],
    ['UPDATE claim SET hi = hi + 1', 'a claim is a range of one lane below its head'],
    ['INSERT INTO claim SELECT lo + 1, hi, consumer FROM claim', 'claims do not overlap'],
    [
      'DELETE FROM entry WHERE id IN (SELECT e.id FROM entry e, claim c WHERE e.id >= lo)',
      'a claim stands for',
    ],
    ['UPDATE reheld SET consumer = 99', 'who holds an entry consumes its queue'],
    ['DELETE FROM session', 'a consumer has its queue and its session'],
    ['UPDATE queue SET exclusive = 1, owner = 99', 'an exclusive queue has its owner'],
    ['DELETE FROM exchange WHERE name = "x"', 'a binding has both its ends'],
  ])('finds what %s does', (damage, found) => {
    expect(brokenInvariants(scene.path)).toEqual([]);
    const database = openDatabase(scene.path, { busyTimeoutMs: 10_000 });
    database.exec(damage.replaceAll('"', "'"));
    database.close();
    expect(brokenInvariants(scene.path).join()).toContain(found);
  });
});

/** The queue was being replaced when it was to be consumed. */
function unlessReplaced(error: unknown): undefined {
  if (!isEventsError(error, 'queue-missing')) throw error;
}

/** The same numbers from 0 to 1 for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
