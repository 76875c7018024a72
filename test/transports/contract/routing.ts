/** Which queues a message reaches. The differential test beside this suite tries random patterns as well. */
import { describe, expect } from 'vitest';
import { message, outcome } from './publishing.js';
import { type ContractTest, texts } from './scene.js';

/** Binding key, routing key, whether a topic exchange routes it. */
const TOPIC_CASES: readonly (readonly [string, string, boolean])[] = [
  ['analysis.completed', 'analysis.completed', true],
  ['analysis.completed', 'analysis.failed', false],
  ['analysis.*', 'analysis.completed', true],
  ['analysis.*', 'analysis', false],
  ['analysis.*', 'analysis.', true],
  ['analysis.*', 'analysis.completed.eu', false],
  ['analysis.#', 'analysis', true],
  ['analysis.#', 'analysis.completed.eu', true],
  ['#', '', true],
  ['#', '...', true],
  ['*', '', false],
  ['*', 'a', true],
  ['*.*', '.', true],
  ['#.completed', 'completed', true],
  ['#.completed', 'a.b.completed', true],
  ['a.#.z', 'a.z', true],
  ['a.#.z', 'a.b.c.z', true],
  ['a.#.z', 'a.b.c', false],
  ['#.#', 'a', true],
  ['#.*.#', '', false],
  ['#.*.#', 'a.b', true],
  ['', '', true],
  ['', 'a', false],
  ['A', 'a', false],
  ['a.**', 'a.b', false],
  ['a.**', 'a.**', true],
  ['日本.*', '日本.語', true],
];

export function routingTests(test: ContractTest): void {
  describe('routing', () => {
    test('a topic exchange matches words, * and #', async ({ scene }) => {
      const queue = await scene.queue();
      const seen: string[] = [];
      for (const [pattern, key] of TOPIC_CASES) {
        const exchange = await scene.exchange('topic');
        await scene.bind(exchange, queue, pattern);
        const came = await outcome(scene, message(exchange, key, 'x'));
        seen.push(`'${pattern}' ${came === 'confirmed' ? 'takes' : 'leaves'} '${key}'`);
      }
      expect(seen).toEqual(
        TOPIC_CASES.map(([pattern, key, routed]) => `'${pattern}' ${routed ? 'takes' : 'leaves'} '${key}'`),
      );
    });

    test('a direct exchange takes keys literally, wildcards too', async ({ scene }) => {
      const exchange = await scene.exchange('direct');
      const [literal, wild] = [await scene.queue(), await scene.queue()];
      await scene.bind(exchange, literal, 'a.b', 'a');
      await scene.bind(exchange, wild, '#', 'a.*');
      for (const key of ['a.b', 'a', '#', 'a.*']) await scene.send(exchange, key, key);
      expect(await outcome(scene, message(exchange, 'a.c', 'x'))).toBe('unroutable');
      expect(texts(await scene.take(literal, 2))).toEqual(['a.b', 'a']);
      expect(texts(await scene.take(wild, 2))).toEqual(['#', 'a.*']);
    });

    test('a fanout exchange ignores keys', async ({ scene }) => {
      const exchange = await scene.exchange('fanout');
      const [one, two] = [await scene.queue(), await scene.queue()];
      await scene.bind(exchange, one, 'a');
      await scene.bind(exchange, two, '');
      await scene.send(exchange, 'b', 'x');
      expect([await scene.ready(one), await scene.ready(two)]).toEqual([1, 1]);
    });

    test('the default exchange routes to the queue named by the key, and to no other', async ({ scene }) => {
      const [queue, other] = [await scene.queue(), await scene.queue()];
      await scene.put(queue, 'x');
      expect([await scene.ready(queue), await scene.ready(other)]).toEqual([1, 0]);
    });

    test('a queue gets one copy however many of its bindings match', async ({ scene }) => {
      const topic = await scene.exchange('topic');
      const fanout = await scene.exchange('fanout');
      const queue = await scene.queue();
      await scene.bind(topic, queue, 'a.b', 'a.*', 'a.#', '#', '*.b');
      await scene.bind(fanout, queue, 'one', 'two');
      await scene.send(topic, 'a.b', 'topic');
      await scene.send(fanout, 'one', 'fanout');
      expect(await scene.ready(queue)).toBe(2);
    });

    test('a message published before the binding is not routed by it', async ({ scene }) => {
      const exchange = await scene.exchange('topic');
      const queue = await scene.queue();
      expect(await outcome(scene, message(exchange, 'a', 'before'))).toBe('unroutable');
      await scene.bind(exchange, queue, 'a');
      await scene.send(exchange, 'a', 'after');
      expect(texts(await scene.take(queue, 1))).toEqual(['after']);
    });

    test('a binding made through one transport routes what another publishes at once', async ({ scene }) => {
      const exchange = await scene.exchange('topic');
      const other = await scene.open();
      await other.open();
      expect(await outcome({ transport: other }, message(exchange, 'a', 'x'))).toBe('unroutable');
      const queue = await scene.queue();
      await scene.bind(exchange, queue, 'a');
      expect(await outcome({ transport: other }, message(exchange, 'a', 'x'))).toBe('confirmed');
      await scene.transport.remove({ queues: [queue] });
      expect(await outcome({ transport: other }, message(exchange, 'a', 'x'))).toBe('unroutable');
    });
  });
}
