/** The order of one key when its consumer is given everything anew: after a lost line, and after the circuit was open. */
import { expect, onTestFinished } from 'vitest';
import { connect } from '../../../src/index.js';
import { eventually, gate } from '../../await.js';
import { sharedRabbit } from '../../brokers/shared.js';
import { startTcpProxy } from '../../brokers/tcp-proxy.js';
import { onBothBrokers } from './stage.js';

const byOrder = { orderBy: ({ data }: { data: unknown }) => (data as { order: string }).order };

/** Notes how often each key is handled at once, and what of each is begun in which order. */
function watchKeys() {
  const begun: string[] = [];
  const running = new Map<string, number>();
  const most = new Map<string, number>();
  return {
    begun,
    most: (key: string) => most.get(key),
    of: (key: string) => begun.filter((one) => one.startsWith(key)).join(' '),
    async watch(key: string, n: unknown, work: () => Promise<void>): Promise<void> {
      begun.push(`${key}${n}`);
      const now = (running.get(key) ?? 0) + 1;
      running.set(key, now);
      most.set(key, Math.max(now, most.get(key) ?? 0));
      try {
        await work();
      } finally {
        running.set(key, (running.get(key) ?? 0) - 1);
      }
    },
  };
}

onBothBrokers('the order of a key', (it, stage, kind) => {
  it('holds when its first event still runs while the circuit opens, and fails after that, and as the probe', async () => {
    const { bus, names, options, ready, troubles } = await stage();
    const keys = watchKeys();
    const door = gate();
    let down = true;
    let failures = 0;
    const consumer = await bus.consume(
      names.queue,
      {
        'order.paid': ({ data: { order, n } }) =>
          keys.watch(order, n, async () => {
            if (order === 'K' && failures === 0) await door.opened;
            if (order === 'K' ? failures++ < 2 : down) throw new Error('the carrier is down');
          }),
      },
      options({
        ...byOrder,
        circuit: { window: 2, threshold: 1, openMs: 30 },
        retry: { delaysMs: [60_000] },
      }),
    );
    for (const n of [1, 2, 3]) await bus.publish('order.paid', { order: 'K', n });
    for (const order of ['F', 'G']) await bus.publish('order.paid', { order, n: 1 });
    await eventually('it is half-open', () => consumer.state().circuit === 'half-open');
    // Room for what must not happen: a session that takes the next of the key.
    for (let turn = 0; turn < 20; turn++) await bus.transport.counts(names.queue);
    expect(keys.of('K')).toBe('K1');
    down = false;
    door.open();
    await eventually('all are done', () => keys.begun.length === 9);
    expect([keys.of('K'), keys.most('K')]).toEqual(['K1 K1 K1 K2 K3', 1]);
    expect(troubles).toMatchObject([{ kind: 'circuit-open' }, { kind: 'circuit-open' }]);
    await eventually('nothing is left', async () => (await ready(names.queue)) === 0);
  });

  if (kind === 'amqp') {
    it('holds when the line goes while its first event runs', async () => {
      const { url } = await sharedRabbit();
      const proxy = await startTcpProxy(Number(new URL(url).port));
      onTestFinished(() => proxy.close());
      const { bus, names, topology, options, ready } = await stage();
      const keys = watchKeys();
      const door = gate();
      const cut = await connect({
        url: url.replace(/:\d+$/, `:${proxy.port}`),
        catalog: bus.catalog,
        topology,
      });
      onTestFinished(() => cut.close({ deadlineMs: 0 }));
      const consumer = await cut.consume(
        names.queue,
        {
          'order.paid': ({ data: { order, n } }) =>
            keys.watch(order, n, async () => {
              if (n === 1) await door.opened;
            }),
        },
        options(byOrder),
      );
      for (const n of [1, 2, 3]) await bus.publish('order.paid', { order: 'K', n });
      await eventually('one runs, two wait', () => consumer.state().waiting === 2);
      for (let time = 0; time < 2; time++) {
        proxy.cut();
        await eventually('what waited is forgotten', () => consumer.state().waiting === 0);
        await eventually('all wait behind the first', () => consumer.state().waiting === 3);
        expect([keys.of('K'), keys.most('K')]).toEqual(['K1', 1]);
      }
      door.open();
      await eventually('all are done', () => keys.begun.length === 4);
      expect([keys.of('K'), keys.most('K')]).toEqual(['K1 K1 K2 K3', 1]);
      await eventually('nothing is left', async () => (await ready(names.queue)) === 0);
      expect(consumer.state()).toMatchObject({ running: 0, waiting: 0, resting: 0 });
    });
  }
});
