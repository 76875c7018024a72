/** An outbox whose line is cut, and whose broker is killed and started again under it. */
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, onTestFinished, test } from 'vitest';
import { describeOutboxTrouble } from '../../../src/core/publishing/outbox-trouble.js';
import type { Transport } from '../../../src/core/transport.js';
import { createTransport } from '../../../src/transports/index.js';
import { eventually } from '../../await.js';
import { type RabbitBroker, startRabbit } from '../../brokers/rabbitmq.js';
import { rabbitInstalled, sharedRabbit } from '../../brokers/shared.js';
import { startTcpProxy } from '../../brokers/tcp-proxy.js';
import { catchAll, expectAllInOrder, messagesIn } from './arrivals.js';
import { messageTo, type Opened, openOutbox } from './outbox-scene.js';

interface Publishing {
  /** Ids that are on disk. */
  readonly published: readonly string[];
  stop(): Promise<void>;
}

/** Publishes ten at a time, on two routing keys, until stopped or closed. */
function publishOn(outbox: Opened, exchange: string): Publishing {
  const published: string[] = [];
  let stopped = false;
  const publishTen = async (from: number) => {
    const ids = Array.from({ length: 10 }, (_, index) => `0-${from + index}`);
    await Promise.all(
      ids.map((id, index) => outbox.publish(messageTo(exchange, index % 2 ? 'odd' : 'even', id))),
    );
    published.push(...ids);
    await pause(5); // the pace: some 1,500 a second
  };
  const running = (async () => {
    for (let n = 0; !stopped; n += 10) await publishTen(n);
  })();
  running.catch(() => {}); // whoever stops it is told; a test that has failed does not
  return {
    published,
    async stop() {
      stopped = true;
      await running;
    },
  };
}

async function open(url: string, options: Parameters<typeof createTransport>[1] = {}): Promise<Transport> {
  const transport = await createTransport(url, options);
  onTestFinished(() => transport.close());
  return transport;
}

describe.skipIf(!rabbitInstalled)('an outbox on RabbitMQ', () => {
  test('whose line is cut again and again sends everything, in order', { timeout: 120_000 }, async () => {
    const { url } = await sharedRabbit();
    const proxy = await startTcpProxy(Number(new URL(url).port));
    onTestFinished(() => proxy.close());
    const direct = await open(url);
    const name = `outbox_cut_${process.pid}`;
    await direct.apply(catchAll(name));
    onTestFinished(() => direct.remove({ queues: [name], exchanges: [name] }));
    const cut = await open(url.replace(/:\d+$/, `:${proxy.port}`));
    let confirms = 0;
    let cuts = 0;
    const watched = {
      scheme: cut.scheme,
      async publish(message: Parameters<Transport['publish']>[0]) {
        await cut.publish(message);
        // In the middle of a burst, of which some are confirmed by then.
        if (++confirms % 97 === 0 && cuts++ < 12) proxy.cut();
      },
    };
    const outbox = openOutbox(watched, undefined, { window: 50 });
    const publishing = publishOn(outbox, name);
    await eventually('it was cut often enough', () => cuts > 12, { withinMs: 60_000 });
    await publishing.stop();
    await outbox.drained();
    expect(outbox.troubles.length).toBeGreaterThan(0);
    console.log(`12 cuts, ${expectAllInOrder(await messagesIn(direct, name), publishing.published)}`);
  });

  test('that is killed and comes back: nobody waits for it, and all arrives in order', {
    timeout: 180_000,
  }, async () => {
    const rabbit = await startRabbit();
    onTestFinished(() => rabbit.stop());
    const name = 'killed';
    await declareFor(rabbit, name);
    const outbox = openOutbox(await open(rabbit.url, { reconnectTimeoutMs: 500 }));
    const publishing = publishOn(outbox, name);
    await eventually('it flows', () => publishing.published.length > 500);
    for (let kills = 0; kills < 2; kills++) {
      await rabbit.kill();
      await eventually('it notices', () => outbox.state().trouble?.kind === 'line');
      const { waiting, oldestAt } = outbox.state();
      expect(oldestAt).toBeLessThanOrEqual(Date.now());
      await eventually('publishing goes on', () => outbox.state().waiting > waiting + 100);
      await rabbit.start();
      const recovered = () => outbox.state().trouble === undefined || explain(outbox);
      await eventually('it has recovered', recovered, { withinMs: 60_000 });
    }
    await publishing.stop();
    await outbox.drained();
    const found = await messagesIn(await open(rabbit.url), name);
    console.log(`2 broker kills, ${expectAllInOrder(found, publishing.published)}`);
  });

  test('100,000 messages published while it is down take disk, not memory', {
    timeout: 300_000,
  }, async () => {
    const rabbit = await startRabbit();
    onTestFinished(() => rabbit.stop());
    const name = 'many';
    await declareFor(rabbit, name);
    const transport = await open(rabbit.url, { reconnectTimeoutMs: 500 });
    await transport.open();
    await rabbit.kill();
    let mostRead = 0;
    const outbox = openOutbox(transport, undefined, {}, (store) => ({
      append: (message) => store.append(message),
      async read(after, limit) {
        const found = await store.read(after, limit);
        mostRead = Math.max(mostRead, found.length);
        return found;
      },
      remove: (ids) => store.remove(ids),
      state: () => store.state(),
      close: () => store.close(),
    }));
    const COUNT = 100_000;
    const body = 'x'.repeat(1_000);
    const before = memoryInUse();
    let most = Number.NEGATIVE_INFINITY;
    for (let n = 0; n < COUNT; n += 500) {
      await Promise.all(
        Array.from({ length: 500 }, (_, index) =>
          outbox.publish({ ...messageTo(name, 'k', `0-${n + index}`), body: Buffer.from(body) }),
        ),
      );
      if (n % 10_000 === 0) most = Math.max(most, memoryInUse() - before);
    }
    expect(outbox.state()).toMatchObject({ waiting: COUNT, trouble: { kind: 'line' } });
    expect(outbox.said[0]).toMatch(
      /^Nothing can be sent; .* wait in the outbox\. No connection to the broker/,
    );
    await rabbit.start();
    const halfSent = () => outbox.state().waiting < COUNT / 2 || explain(outbox);
    await eventually('half of it is sent', halfSent, { withinMs: 150_000, everyMs: 50 });
    most = Math.max(most, memoryInUse() - before);
    await outbox.drained();
    const arrived = (await transport.counts(name))?.ready ?? 0;
    expect(arrived).toBeGreaterThanOrEqual(COUNT);
    // All of it would be 100 MB of bodies alone.
    expect(most).toBeLessThan(50e6);
    expect(mostRead).toBe(200);
    console.log(`100,000 waited: ${(most / 1e6).toFixed(1)} MB more at most, ${arrived} arrived`);
  });
});

/** Killed soon after it declared a binding, RabbitMQ forgets it on a slow disk: its log is to be there first. */
async function declareFor(rabbit: RabbitBroker, name: string): Promise<void> {
  await (await open(rabbit.url)).apply(catchAll(name));
  await rabbit.ctl('eval', 'mnesia:sync_log().');
}

/** So that a wait which fails says how things were. */
function explain(outbox: Opened): never {
  const { waiting, inFlight, trouble } = outbox.state();
  throw new Error(`${waiting} wait, ${inFlight} in flight; ${trouble && describeOutboxTrouble(trouble)}`);
}

/** Bytes of objects and buffers that are alive. */
function memoryInUse(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
