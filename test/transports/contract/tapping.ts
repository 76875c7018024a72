/** Taps: copies for a watcher, at nobody's expense. */
import { describe, expect } from 'vitest';
import type { ReceivedMessage } from '../../../src/core/message.js';
import type { TapGap } from '../../../src/core/transport.js';
import { eventually, gate } from '../../await.js';
import type { Harness } from './harness.js';
import { message, outcome } from './publishing.js';
import { type ContractTest, collect, type Scene, text, texts } from './scene.js';

export function tapTests(test: ContractTest, harness: Harness): void {
  describe('tapping', () => {
    test('copies arrive in order with their properties, and the queue keeps its own', async ({ scene }) => {
      const { exchange, queue } = await stage(scene);
      const { copies } = await tap(scene, exchange);
      const sent = Array.from({ length: 100 }, (_, index) => String(index));
      for (const body of sent)
        await scene.send(exchange, 'k', body, { messageId: body, headers: { n: body } });
      await eventually('all copies', () => copies.length >= 100);
      expect(texts(copies)).toEqual(sent);
      expect(copies.map(({ properties }) => properties.messageId)).toEqual(sent);
      expect(copies.every((copy) => copy.exchange === exchange && copy.routingKey === 'k')).toBe(true);
      expect(await scene.ready(queue)).toBe(100);
    });

    test('a tap never disturbs a consumer', async ({ scene }) => {
      const { exchange, queue } = await stage(scene);
      const { copies } = await tap(scene, exchange);
      const { deliveries } = await collect(scene.transport, queue, 0, 5);
      for (let index = 0; index < 20; index += 1) await scene.send(exchange, 'k', String(index));
      await eventually('all copies', () => copies.length === 20);
      await eventually('prefetch deliveries', () => deliveries.length === 5);
      expect(await scene.transport.counts(queue)).toEqual({ ready: 15, consumers: 1 });
      expect(deliveries.some(({ message: { redelivered } }) => redelivered)).toBe(false);
    });

    test('a tap sees only what its bindings match, once', async ({ scene }) => {
      const { exchange } = await stage(scene);
      const { copies } = await tap(scene, exchange, ['a.*', '*.b']);
      for (const key of ['a.b', 'x.y', 'a.c', 'marker.b']) await scene.send(exchange, key, key);
      await eventually('the marker', () => copies.some((copy) => text(copy) === 'marker.b'));
      expect(texts(copies)).toEqual(['a.b', 'a.c', 'marker.b']);
    });

    test('several exchanges can be tapped at once', async ({ scene }) => {
      const exchanges = [
        await scene.exchange('topic'),
        await scene.exchange('fanout'),
        await scene.exchange('direct'),
      ];
      const copies: ReceivedMessage[] = [];
      await scene.transport.tap(
        { bindings: exchanges.map((exchange) => ({ exchange, key: 'k' })) },
        { onMessage: (copy) => void copies.push(copy), onGap() {} },
      );
      for (const exchange of exchanges) await scene.send(exchange, 'k', exchange);
      await eventually('three copies', () => copies.length === 3);
      expect(texts(copies).toSorted()).toEqual(exchanges.toSorted());
    });

    test('a tap starts when it resolves', async ({ scene }) => {
      const { exchange } = await stage(scene);
      await scene.send(exchange, 'k', 'before');
      const { copies } = await tap(scene, exchange);
      await scene.send(exchange, 'k', 'after');
      await eventually('a copy', () => copies.length > 0);
      expect(texts(copies)).toEqual(['after']);
    });

    test('two taps each get every copy', async ({ scene }) => {
      const { exchange } = await stage(scene);
      const [one, two] = [await tap(scene, exchange), await tap(scene, exchange)];
      for (const body of ['a', 'b']) await scene.send(exchange, 'k', body);
      await eventually('both', () => one.copies.length === 2 && two.copies.length === 2);
    });

    test('a missing exchange rejects with exchange-missing and leaves nothing behind', async ({ scene }) => {
      const { exchange, queue } = await stage(scene);
      const missing = scene.name('no-exchange');
      await expect(
        scene.transport.tap(
          {
            bindings: [
              { exchange, key: '#' },
              { exchange: missing, key: '#' },
            ],
          },
          quiet,
        ),
      ).rejects.toMatchObject({ code: 'exchange-missing' });
      await scene.transport.remove({ queues: [queue] });
      await eventually(
        'nothing is bound',
        async () => (await outcome(scene, message(exchange, 'k', 'x'))) === 'unroutable',
      );
    });

    test('a slow handler holds the next copy back', async ({ scene }) => {
      const { exchange } = await stage(scene);
      const first = gate();
      const seen: string[] = [];
      await scene.transport.tap(
        { bindings: [{ exchange, key: '#' }] },
        {
          async onMessage(copy) {
            seen.push(`begin ${text(copy)}`);
            if (text(copy) === 'a') await first.opened;
            seen.push(`end ${text(copy)}`);
          },
          onGap() {},
        },
      );
      // The second tap is the witness that both have been through the broker.
      const witness = await tap(scene, exchange);
      for (const body of ['a', 'b']) await scene.send(exchange, 'k', body);
      await eventually('the witness has both', () => witness.copies.length === 2);
      expect(seen.filter((line) => line !== 'begin a')).toEqual([]);
      first.open();
      await eventually('b is through', () => seen.includes('end b'));
      expect(seen).toEqual(['begin a', 'end a', 'begin b', 'end b']);
    });

    test('copies beyond the limit are dropped oldest first, and the gap is told in its place', async ({
      scene,
    }) => {
      const { exchange, queue } = await stage(scene);
      const first = gate();
      const stream: (number | 'gap')[] = [];
      const gaps: TapGap[] = [];
      await scene.transport.tap(
        { bindings: [{ exchange, key: '#' }], bufferLimit: 10 },
        {
          async onMessage(copy) {
            stream.push(Number(text(copy)));
            if (text(copy) === '0') await first.opened;
          },
          onGap(gap) {
            gaps.push(gap);
            stream.push('gap');
          },
        },
      );
      await scene.send(exchange, 'k', '0');
      await eventually('the reader is stuck', () => stream.length === 1);
      for (let index = 1; index < 100; index += 1) await scene.send(exchange, 'k', String(index));
      first.open();
      await eventually('the newest copy', () => stream.includes(99));
      // Part of the limit may have been fetched ahead, where a broker can no longer drop the oldest of it.
      expect(stream.slice(-5)).toEqual([95, 96, 97, 98, 99]);
      const kept = stream.filter((item) => item !== 'gap');
      expect(kept.length).toBeGreaterThanOrEqual(10);
      expect(kept.length).toBeLessThanOrEqual(21);
      expect(gaps.length).toBeGreaterThan(0);
      expect(new Set(gaps.map(({ reason }) => reason))).toEqual(new Set(['overflow']));
      // A number may only be missing where the gap was told before the next one.
      for (const [index, item] of stream.entries()) {
        const before = stream[index - 1];
        if (typeof item === 'number' && typeof before === 'number') expect(item).toBe(before + 1);
      }
      expect(await scene.ready(queue)).toBe(100);
    });

    test('a tap without a slow reader has no gap', async ({ scene }) => {
      const { exchange } = await stage(scene);
      const { copies, gaps } = await tap(scene, exchange);
      await Promise.all(
        Array.from({ length: 3_000 }, (_, index) => scene.send(exchange, 'k', String(index))),
      );
      await eventually('all copies', () => copies.length === 3_000);
      expect(gaps).toEqual([]);
    });

    test('the queue of a tap vanishes when it closes', async ({ scene }) => {
      const exchange = await scene.exchange('topic');
      const { close } = await tap(scene, exchange);
      expect(await outcome(scene, message(exchange, 'k', 'x'))).toBe('confirmed');
      await close();
      await close();
      await eventually(
        'nothing is bound',
        async () => (await outcome(scene, message(exchange, 'k', 'x'))) === 'unroutable',
      );
    });

    test('the queue of a tap vanishes when its transport closes', async ({ scene }) => {
      const exchange = await scene.exchange('topic');
      const other = await scene.open();
      await other.tap({ bindings: [{ exchange, key: '#' }] }, quiet);
      expect(await outcome(scene, message(exchange, 'k', 'x'))).toBe('confirmed');
      await other.close();
      await eventually(
        'nothing is bound',
        async () => (await outcome(scene, message(exchange, 'k', 'x'))) === 'unroutable',
      );
    });

    test('the queue of a tap vanishes when its process is killed', async ({ scene }) => {
      const exchange = await scene.exchange('topic');
      const owner = scene.program('own-tap.mjs', exchange);
      await owner.printed('ready');
      expect(await outcome(scene, message(exchange, 'k', 'x'))).toBe('confirmed');
      await owner.printed('copy x');
      await owner.kill();
      await eventually(
        'nothing is bound',
        async () => (await outcome(scene, message(exchange, 'k', 'x'))) === 'unroutable',
      );
    });

    test('a closed tap calls its handler no more', async ({ scene }) => {
      const { exchange } = await stage(scene);
      const { copies, close } = await tap(scene, exchange);
      const witness = await tap(scene, exchange);
      await close();
      await scene.send(exchange, 'k', 'x');
      await eventually('the witness has it', () => witness.copies.length === 1);
      expect(copies).toEqual([]);
    });

    const { interrupt } = harness;
    if (interrupt === undefined) return;
    test('a lost connection is told as a gap before what comes after it', async ({ scene }) => {
      const { exchange } = await stage(scene);
      const { copies, gaps, stream } = await tap(scene, exchange);
      await scene.send(exchange, 'k', 'before');
      await eventually('the first copy', () => copies.length === 1);
      await interrupt();
      const publishing = await scene.open();
      await eventually(
        'a copy after it',
        async () => {
          await publishing.publish(message(exchange, 'k', 'after'));
          return copies.length > 1;
        },
        { withinMs: 25_000, everyMs: 20 },
      );
      expect(gaps[0]).toEqual({ reason: 'lost' });
      expect(stream.slice(0, 3)).toEqual(['before', 'lost', 'after']);
    });
  });
}

const quiet = { onMessage: () => {}, onGap: () => {} };

async function stage(scene: Scene): Promise<{ readonly exchange: string; readonly queue: string }> {
  const exchange = await scene.exchange('topic');
  const queue = await scene.queue();
  await scene.bind(exchange, queue, '#');
  return { exchange, queue };
}

async function tap(scene: Scene, exchange: string, keys: readonly string[] = ['#']) {
  const copies: ReceivedMessage[] = [];
  const gaps: TapGap[] = [];
  /** Bodies and gap reasons as they came. */
  const stream: string[] = [];
  const subscription = await scene.transport.tap(
    { bindings: keys.map((key) => ({ exchange, key })) },
    {
      onMessage(copy) {
        copies.push(copy);
        stream.push(text(copy));
      },
      onGap(gap) {
        gaps.push(gap);
        stream.push(gap.reason);
      },
    },
  );
  return { copies, gaps, stream, close: () => subscription.close() };
}
