/** What survives when the connection, the broker or a process goes. */
import { describe, expect } from 'vitest';
import { isEventsError } from '../../../src/core/errors.js';
import type { Delivery, Transport, TransportNotice } from '../../../src/core/transport.js';
import { eventually, within } from '../../await.js';
import type { Harness } from './harness.js';
import { message } from './publishing.js';
import { at, type ContractTest, collect, type Scene, text } from './scene.js';

const PUBLISHERS = 50;
const EACH = 200;
const LONG_TEST_MS = 180_000;

export function outageTests(test: ContractTest, harness: Harness): void {
  if (harness.features.remote) {
    connectionTests(test, harness);
  } else {
    test('a broker inside the process has no connection to lose', () => {
      expect([harness.interrupt, harness.restart]).toEqual([undefined, undefined]);
    });
  }

  describe('killed processes', () => {
    test(
      '10,000 messages from 50 publishers whose processes are killed: none is lost',
      async ({ scene }) => {
        const { exchange, queue } = await stage(scene);
        const unknown = new Set<string>();
        const groups = Array.from({ length: 5 }, (_, group) =>
          Array.from({ length: PUBLISHERS / 5 }, (_, member) => `${group * 10 + member}`),
        );
        const cut = await Promise.all(
          groups.map((names) => publishWithKills(scene, exchange, names, unknown)),
        );
        expect(cut.some((midway) => midway)).toBe(true);
        await expectNoneLost(scene, queue, unknown);
      },
      LONG_TEST_MS,
    );

    test('what a killed consumer held goes to the next one, redelivered', async ({ scene }) => {
      const queue = await scene.queue();
      for (const body of ['a', 'b', 'c']) await scene.put(queue, body);
      const holder = scene.program('hold-deliveries.mjs', queue, '2');
      await holder.printed('holding');
      expect(await scene.ready(queue)).toBe(1);
      await holder.kill();
      await eventually('all are ready again', async () => (await scene.ready(queue)) === 3);
      const again = await scene.take(queue, 3);
      expect(again.map((received) => `${text(received)} ${received.redelivered}`)).toEqual([
        'a true',
        'b true',
        'c false',
      ]);
    });

    test('a waiting consumer gets what a killed one held', async ({ scene }) => {
      const queue = await scene.queue();
      await scene.put(queue, 'a');
      const holder = scene.program('hold-deliveries.mjs', queue, '1');
      await holder.printed('holding');
      const waiting = collect(scene.transport, queue, 1);
      await eventually('both consume', async () => (await scene.transport.counts(queue))?.consumers === 2);
      await holder.kill();
      expect(text(at((await waiting).deliveries, 0).message)).toBe('a');
    });
  });
}

function connectionTests(test: ContractTest, { interrupt, restart }: Harness): void {
  if (interrupt === undefined || restart === undefined) {
    throw new Error('a harness of a remote broker interrupts and restarts it');
  }
  describe('outages', () => {
    test('a consumer is reopened after a lost connection, and what it held comes again', async ({
      scene,
    }) => {
      const notices: TransportNotice[] = [];
      const queue = await scene.queue();
      const consuming = await scene.open({ onNotice: (notice) => notices.push(notice) });
      await scene.put(queue, 'held');
      const { deliveries } = await collect(consuming, queue, 1, 10);
      await interrupt();
      await eventually('held comes again', () => deliveries.length >= 2, { withinMs: 25_000 });
      await scene.put(queue, 'after');
      await eventually('after comes', () => deliveries.length >= 3);
      expect(
        deliveries.map((delivery) => `${text(delivery.message)} ${delivery.message.redelivered}`),
      ).toEqual(['held false', 'held true', 'after false']);
      expect(await at(deliveries, 0).ack()).toBe('lost');
      expect(await at(deliveries, 1).ack()).toBe('settled');
      expect(await at(deliveries, 2).ack()).toBe('settled');
      const kinds = notices
        .filter((notice) => 'role' in notice && notice.role === 'consume')
        .map(({ kind }) => kind);
      expect(kinds).toEqual(['lost', 'restored']);
      await consuming.close();
      expect(await scene.ready(queue)).toBe(0);
    });

    test('publishing goes on after a lost connection', async ({ scene }) => {
      const queue = await scene.queue();
      await scene.put(queue, 'before');
      await interrupt();
      await publishUntilConfirmed(scene.transport, '', queue, 'after', new Set());
      expect(await scene.ready(queue)).toBeGreaterThanOrEqual(2);
    });

    test('closing during an outage ends', async ({ scene }) => {
      const queue = await scene.queue();
      const closing = await scene.open();
      await closing.consume(queue, {}, () => {});
      const cut = interrupt();
      await within('closing', closing.close(), 25_000);
      await cut;
    });

    test(
      'a queue that does not survive a restart is declared again for its consumer',
      async ({ scene }) => {
        const owner = await scene.open({ reconnectTimeoutMs: 60_000 });
        const name = scene.name('queue');
        const deliveries: Delivery[] = [];
        await owner.apply({
          exchanges: [],
          queues: [{ name, durable: false, exclusive: true, autoDelete: true, arguments: {} }],
          bindings: [],
        });
        await owner.consume(name, {}, (delivery) => {
          deliveries.push(delivery);
          void delivery.ack();
        });
        await restart();
        const publishing = await scene.open({ startTimeoutMs: 60_000 });
        await eventually(
          'a message arrives',
          async () => {
            await publishing.publish(message('', name, 'x')).catch(() => {});
            return deliveries.length > 0;
          },
          { withinMs: 60_000, everyMs: 50 },
        );
      },
      LONG_TEST_MS,
    );

    test(
      '10,000 messages from 50 publishers across a broker restart: none is lost',
      async ({ scene }) => {
        const { exchange, queue } = await stage(scene);
        const unknown = new Set<string>();
        const transports = await Promise.all(
          Array.from({ length: 5 }, () => scene.open({ reconnectTimeoutMs: 90_000 })),
        );
        let confirmed = 0;
        const publishers = Array.from({ length: PUBLISHERS }, async (_, publisher) => {
          for (let index = 0; index < EACH; index += 1) {
            await publishUntilConfirmed(
              at(transports, publisher % 5),
              exchange,
              'k',
              `${publisher}:${index}`,
              unknown,
            );
            confirmed += 1;
          }
        });
        await eventually('a third is confirmed', () => confirmed > (PUBLISHERS * EACH) / 3, {
          withinMs: 60_000,
        });
        await restart();
        expect(confirmed).toBeLessThan(PUBLISHERS * EACH);
        await Promise.all(publishers);
        await expectNoneLost(scene, queue, unknown);
      },
      LONG_TEST_MS,
    );
  });
}

async function stage(scene: Scene): Promise<{ readonly exchange: string; readonly queue: string }> {
  const exchange = await scene.exchange('topic');
  const queue = await scene.queue();
  await scene.bind(exchange, queue, '#');
  return { exchange, queue };
}

/** As a careful publisher does: the same message id again while the outcome is unknown or nobody is there. */
async function publishUntilConfirmed(
  transport: Transport,
  exchange: string,
  key: string,
  id: string,
  unknown: Set<string>,
): Promise<void> {
  for (;;) {
    try {
      await transport.publish(message(exchange, key, id));
      return;
    } catch (error) {
      if (isEventsError(error, 'publish-unknown')) unknown.add(id);
      else if (!isEventsError(error, 'unreachable')) throw error;
    }
  }
}

/**
 * Runs a process for these publishers and kills it twice on the way, each time once it has confirmed a
 * third. What was tried and not confirmed is of unknown outcome, and tried again by the next process.
 * Tells whether a kill came before the last message.
 */
async function publishWithKills(
  scene: Scene,
  exchange: string,
  names: readonly string[],
  unknown: Set<string>,
): Promise<boolean> {
  let midway = false;
  const next = new Map(names.map((name) => [name, 0]));
  const third = (names.length * EACH) / 3;
  for (const kill of [true, true, false]) {
    const publishers = [...next].map(([name, first]) => `${name}:${first}`);
    const program = scene.program('publish-many.mjs', exchange, 'k', String(EACH), ...publishers);
    const confirmed = () => program.lines.filter((line) => line.startsWith('ok ')).length;
    if (kill) {
      const left = [...next.values()].reduce((sum, first) => sum + EACH - first, 0);
      const enough = Math.min(third, left);
      await eventually('a third is confirmed', () => confirmed() >= enough, { withinMs: 90_000, everyMs: 1 });
      await program.kill();
      midway ||= confirmed() < left;
    } else {
      expect(await program.ended).toBe(0);
    }
    const ok = new Set(program.lines.filter((line) => line.startsWith('ok ')).map((line) => line.slice(3)));
    const tried = program.lines.filter((line) => line.startsWith('try ')).map((line) => line.slice(4));
    for (const id of tried) if (!ok.has(id)) unknown.add(id);
    for (const id of ok) {
      const [name = '', index] = id.split(':');
      next.set(name, Math.max(next.get(name) ?? 0, Number(index) + 1));
    }
  }
  expect([...next.values()]).toEqual(names.map(() => EACH));
  return midway;
}

async function expectNoneLost(scene: Scene, queue: string, unknown: ReadonlySet<string>): Promise<void> {
  const arrived = new Map<string, number>();
  const drain = await scene.open({ startTimeoutMs: 30_000 });
  const ready = (await drain.counts(queue))?.ready ?? 0;
  await drain.consume(queue, { prefetch: 1_000 }, (delivery) => {
    const id = text(delivery.message);
    arrived.set(id, (arrived.get(id) ?? 0) + 1);
    void delivery.ack();
  });
  const total = () => [...arrived.values()].reduce((sum, times) => sum + times, 0);
  await eventually('the queue is drained', () => total() >= ready, { withinMs: 60_000, everyMs: 50 });
  const expected = Array.from(
    { length: PUBLISHERS * EACH },
    (_, index) => `${Math.floor(index / EACH)}:${index % EACH}`,
  );
  expect(expected.filter((id) => !arrived.has(id))).toEqual([]);
  const doubled = [...arrived].filter(([, times]) => times > 1).map(([id]) => id);
  expect(doubled.filter((id) => !unknown.has(id))).toEqual([]);
  expect(arrived.size).toBe(PUBLISHERS * EACH);
}
