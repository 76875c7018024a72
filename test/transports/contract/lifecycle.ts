/** Opening and closing. */
import { describe, expect } from 'vitest';
import { EMPTY_TOPOLOGY } from '../../../src/core/topology/model.js';
import type { Transport } from '../../../src/core/transport.js';
import { eventually, within } from '../../await.js';
import type { Harness } from './harness.js';
import { message, outcome } from './publishing.js';
import { at, type ContractTest, collect, texts } from './scene.js';

export function lifecycleTests(test: ContractTest, harness: Harness): void {
  describe('opening and closing', () => {
    test('says what it is and what it can', async ({ scene }) => {
      expect(harness.url().startsWith(`${scene.transport.scheme}:`)).toBe(true);
      expect(scene.transport.features).toEqual(harness.features);
      const password = harness.url().startsWith('amqp') ? new URL(harness.url()).password : '';
      if (password !== '') expect(scene.transport.address).not.toContain(`:${password}@`);
    });

    test('opening is optional, and can be repeated', async ({ scene }) => {
      await Promise.all([scene.transport.open(), scene.transport.open()]);
      await scene.transport.open();
      const unopened = await scene.open();
      expect(await unopened.counts(scene.name('no-queue'))).toBeUndefined();
    });

    test('a transport that was never used closes', async () => {
      const transport = await harness.open();
      await within('closing', transport.close());
    });

    test('every call after close rejects with closed', async ({ scene }) => {
      const queue = await scene.queue();
      const closed = await scene.open();
      await closed.open();
      await closed.close();
      const refusal = { code: 'closed' };
      const calls: Record<string, () => Promise<unknown>> = {
        open: () => closed.open(),
        inspect: () => closed.inspect(EMPTY_TOPOLOGY),
        survey: () => closed.survey(),
        apply: () => closed.apply(EMPTY_TOPOLOGY),
        remove: () => closed.remove({ queues: [queue] }),
        publish: () => closed.publish(message('', queue, 'x')),
        consume: () => closed.consume(queue, {}, () => {}),
        tap: () => closed.tap({ bindings: [{ exchange: queue, key: '#' }] }, { onMessage() {}, onGap() {} }),
        browse: () => drainOne(closed, queue),
        counts: () => closed.counts(queue),
      };
      for (const [name, call] of Object.entries(calls)) {
        await expect((async () => call())(), name).rejects.toMatchObject(refusal);
      }
      await closed.close();
      expect(await scene.ready(queue)).toBe(0);
    });

    test('closing while publishing: what was in flight is confirmed, what waited is told', async ({
      scene,
    }) => {
      const queue = await scene.queue();
      const closing = await scene.open();
      await closing.open();
      const outcomes = Array.from({ length: 200 }, (_, index) =>
        outcome({ transport: closing }, message('', queue, String(index))),
      );
      await within('closing', Promise.all([closing.close(), closing.close()]));
      expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['confirmed']));
      expect(await scene.ready(queue)).toBe(200);
    });

    test('closing while publishing through a narrow window loses nothing that was confirmed', async ({
      scene,
    }) => {
      const queue = await scene.queue();
      const closing = await scene.open({ maxInFlight: 10 });
      await closing.open();
      const outcomes = Array.from({ length: 200 }, (_, index) =>
        outcome({ transport: closing }, message('', queue, String(index))),
      );
      await within('closing', closing.close());
      const confirmed = (await Promise.all(outcomes)).filter((code) => {
        expect(['confirmed', 'closed']).toContain(code);
        return code === 'confirmed';
      });
      expect(await scene.ready(queue)).toBe(confirmed.length);
    });

    test('closing while consuming hands everything unsettled back, in order', async ({ scene }) => {
      const queue = await scene.queue();
      const closing = await scene.open();
      const sent = Array.from({ length: 300 }, (_, index) => String(index));
      await Promise.all(sent.map((body) => scene.put(queue, body)));
      const { deliveries } = await collect(closing, queue, 50, 100);
      await Promise.all([at(deliveries, 0).ack(), at(deliveries, 1).ack()]);
      await within('closing', Promise.all([closing.close(), closing.close()]));
      const seen = deliveries.length;
      expect(texts(await scene.take(queue, 298))).toEqual(sent.slice(2));
      expect(deliveries).toHaveLength(seen);
    });

    test('closing while everything is going on at once ends', async ({ scene }) => {
      const queue = await scene.queue();
      const exchange = await scene.exchange('fanout');
      await scene.bind(exchange, queue, '');
      const busy = await scene.open();
      await busy.consume(queue, { prefetch: 5 }, (delivery) => void delivery.requeue());
      await busy.tap({ bindings: [{ exchange, key: '' }] }, { onMessage() {}, onGap() {} });
      const pending = new Set<string>();
      const track = (name: string, call: Promise<unknown>) => {
        pending.add(name);
        call.catch(() => {}).finally(() => pending.delete(name));
      };
      for (let index = 0; index < 50; index += 1) {
        track(`publish ${index}`, busy.publish(message(exchange, '', String(index))));
        track(`counts ${index}`, busy.counts(queue));
      }
      await within('closing', busy.close());
      await eventually(
        'every call has an outcome',
        () => pending.size === 0 || fail(`pending: ${[...pending]}`),
      );
    });

    test('ended does not settle before close', async ({ scene }) => {
      const queue = await scene.queue();
      const subscription = await scene.transport.consume(queue, {}, () => {});
      let over = false;
      const watch = subscription.ended.finally(() => {
        over = true;
      });
      watch.catch(() => {}); // only whether it settled matters
      await scene.put(queue, 'x');
      await scene.transport.counts(queue);
      expect(over).toBe(false);
      await subscription.close();
    });
  });
}

async function drainOne(transport: Transport, queue: string): Promise<void> {
  for await (const _ of transport.browse(queue)) return;
}

function fail(problem: string): never {
  throw new Error(problem);
}
