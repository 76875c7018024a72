/** Seeing everything that the broker holds. Other tests use it meanwhile: only names of one's own are looked at. */
import { describe, expect } from 'vitest';
import { bind, bindingName, exchange, queue } from '../../../src/core/topology/model.js';
import type { Survey, Transport } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';
import { type ContractTest, collect } from './scene.js';

/** RabbitMQ gathers its counts every 5 s, and keeps an answer that took long for a while. */
const COUNTED = { withinMs: 30_000, everyMs: 250 };

export function surveyTests(test: ContractTest): void {
  describe('surveying', () => {
    test('exchanges, queues and bindings are seen with all their attributes', async ({ scene }) => {
      const topic = exchange(scene.name('exchange'), 'topic');
      const odd = exchange(scene.name('exchange'), 'fanout', {
        durable: false,
        autoDelete: true,
        arguments: { 'alternate-exchange': topic.name },
      });
      const plain = queue(scene.name('queue'));
      const full = queue(scene.name('queue'), {
        'x-message-ttl': 60_000,
        'x-max-length': 100,
        'x-overflow': 'reject-publish',
        'x-dead-letter-exchange': topic.name,
        'x-dead-letter-routing-key': 'dlq',
      });
      const own = queue(scene.name('queue'), {}, { durable: false, exclusive: true, autoDelete: true });
      const bindings = [
        ...bind(topic.name, plain.name, 'a.*', 'b.#', ''),
        ...bind(odd.name, plain.name, ''),
        ...bind(topic.name, own.name, 'ä ö/%'),
      ];
      await scene.declare({ exchanges: [topic, odd], queues: [plain, full, own], bindings });
      const seen = known(await (await scene.open()).survey());
      const empty = { ready: 0, consumers: 0 };
      expect(seen.exchanges.filter(({ name }) => [topic.name, odd.name].includes(name))).toEqual(
        expect.arrayContaining([topic, odd]),
      );
      for (const spec of [plain, full, own]) {
        expect(seen.queues.filter(({ name }) => name === spec.name)).toEqual([{ ...spec, ...empty }]);
      }
      const ours = seen.bindings.filter(({ exchange: name }) => [topic.name, odd.name].includes(name));
      expect(ours.map(bindingName).toSorted()).toEqual(bindings.map(bindingName).toSorted());
    });

    test('queues are counted: what is ready, not what is in hand, and who consumes', async ({ scene }) => {
      const [idle, busy] = [await scene.queue(), await scene.queue()];
      for (const body of ['a', 'b', 'c']) await scene.put(idle, body);
      for (const body of ['a', 'b', 'c']) await scene.put(busy, body);
      await collect(scene.transport, busy, 1, 1);
      const both = await eventually(
        'the counts have arrived',
        async () => {
          const found = [await described(scene.transport, idle), await described(scene.transport, busy)];
          return found[0]?.ready === 3 && found[1]?.ready === 2 && found[1].consumers === 1 && found;
        },
        COUNTED,
      );
      expect(both).toMatchObject([
        { name: idle, ready: 3, consumers: 0 },
        { name: busy, ready: 2, consumers: 1 },
      ]);
    });

    test('what the default exchange does by itself is left out', async ({ scene }) => {
      const name = await scene.queue();
      const { exchanges, bindings } = known(await scene.transport.survey());
      expect(exchanges.map((spec) => spec.name)).not.toContain('');
      expect(bindings.filter((binding) => binding.queue === name)).toEqual([]);
    });

    test('what was removed is not seen any more, and looking creates nothing', async ({ scene }) => {
      const [gone, source] = [await scene.queue(), await scene.exchange('topic')];
      await scene.bind(source, gone, 'k');
      await scene.transport.remove({ queues: [gone], exchanges: [source] });
      const { exchanges, queues, bindings } = known(await scene.transport.survey());
      expect(queues.filter(({ name }) => name === gone)).toEqual([]);
      expect(exchanges.filter(({ name }) => name === source)).toEqual([]);
      expect(bindings.filter(({ exchange: name }) => name === source)).toEqual([]);
      expect(await scene.transport.counts(gone)).toBeUndefined();
    });
  });
}

async function described(transport: Transport, name: string) {
  return known(await transport.survey()).queues.find((found) => found.name === name);
}

function known(survey: Survey): Extract<Survey, { state: 'known' }> {
  if (survey.state === 'unknown') throw new Error(survey.reason);
  return survey;
}
