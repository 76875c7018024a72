/** A consumer whose handlers keep failing leaves its events in the queue, probes, and goes on. */
import { expect } from 'vitest';
import { PermanentError } from '../../../src/index.js';
import { eventually, gate, within } from '../../await.js';
import { runProgram } from '../../transports/embedded/child.js';
import { onBothBrokers } from './stage.js';

const PROGRAM = new URL('./programs/circuit-opens.mjs', import.meta.url).href;

/** Opens after two failures, for so long that a test sees it; probes when `openMs` is short. */
const circuit = (openMs: number) => ({ window: 2, threshold: 1, openMs });

onBothBrokers('the circuit of a consumer', (test, stage) => {
  test('opens when its handlers keep failing, and leaves the rest in the queue', async () => {
    const { bus, names, options, troubles, ready } = await stage();
    let calls = 0;
    const consumer = await bus.consume(
      names.queue,
      {
        async 'order.paid'() {
          calls++;
          throw new Error('the carrier is down');
        },
      },
      options({ circuit: circuit(60_000), concurrency: 1, retry: { delaysMs: [60_000] } }),
    );
    for (let n = 0; n < 6; n++) await bus.publish('order.paid', { order: 'A', n });
    await eventually('it is open', () => consumer.state().circuit === 'open');
    await eventually('what has not begun is back', async () => (await ready(names.queue)) === 4);
    expect(calls).toBe(2);
    expect(consumer.state()).toMatchObject({ running: 0, waiting: 0, held: 0 });
    expect((await bus.transport.counts(names.queue))?.consumers).toBe(0);
    expect(await ready(`${names.queue}.retry.60000`)).toBe(2);
    expect(troubles).toMatchObject([{ kind: 'circuit-open', nextTryMs: 60_000 }]);
  });

  test('probes with one event at a time, and takes all again when that succeeds', async () => {
    const { bus, names, options, ready } = await stage();
    let down = true;
    let probes = 0;
    const door = gate();
    const done: unknown[] = [];
    const consumer = await bus.consume(
      names.queue,
      {
        async 'order.paid'({ data }) {
          if (down) throw new Error('the carrier is down');
          probes++;
          await door.opened;
          done.push(data.n);
        },
      },
      options({ circuit: circuit(50), retry: { delaysMs: [3_000] } }),
    );
    await bus.publish('order.paid', { order: 'A', n: 1 });
    await bus.publish('order.paid', { order: 'A', n: 2 });
    await eventually('it is open', () => consumer.state().circuit === 'open');
    down = false;
    for (const n of [3, 4, 5]) await bus.publish('order.paid', { order: 'A', n });
    await eventually('it probes', () => probes === 1);
    expect(consumer.state()).toMatchObject({ circuit: 'half-open', running: 1 });
    expect(await ready(names.queue)).toBe(2);
    door.open();
    await eventually('it is closed and goes on', () => done.length === 3);
    expect(consumer.state().circuit).toBe('closed');
  });

  test('a probe that fails opens it again', async () => {
    const { bus, names, options, troubles, ready } = await stage();
    const consumer = await bus.consume(
      names.queue,
      {
        async 'order.paid'() {
          throw new Error('the carrier is down');
        },
      },
      options({ circuit: circuit(20), retry: { delaysMs: [60_000] } }),
    );
    for (let n = 0; n < 5; n++) await bus.publish('order.paid', { order: 'A', n });
    const opened = () => troubles.filter(({ kind }) => kind === 'circuit-open');
    await eventually('it opened three times', () => opened().length >= 3);
    expect(opened()).toMatchObject([{ nextTryMs: 20 }, { nextTryMs: 40 }, { nextTryMs: 80 }]);
    await consumer.close();
    const waiting = await ready(`${names.queue}.retry.60000`);
    expect((await ready(names.queue)) + waiting).toBe(5);
  });

  test('events that are at fault themselves do not open it', async () => {
    const { bus, names, options, dead } = await stage();
    const consumer = await bus.consume(
      names.queue,
      {
        async 'order.paid'() {
          throw new PermanentError('no');
        },
      },
      options({ circuit: circuit(60_000) }),
    );
    for (let n = 0; n < 5; n++) await bus.publish('order.paid', { order: 'A', n });
    await dead(5);
    expect(consumer.state().circuit).toBe('closed');
  });

  test('a process whose only work it is lives on while it is open', async () => {
    const { url, names, bus, ready } = await stage();
    await bus.transport.publish({
      exchange: '',
      routingKey: names.queue,
      body: Buffer.from('{}'),
      properties: { type: 'thing.happened' },
    });
    const child = runProgram(PROGRAM, JSON.stringify({ url, queue: names.queue }));
    expect(await within('it ends', child.exited(), 20_000)).toBe(0);
    expect(child.lines).toEqual(['open', 'handled']);
    await eventually('acked', async () => (await ready(names.queue)) === 0);
  });

  test('closing while it is open ends it at once', async () => {
    const { bus, names, options, ready } = await stage();
    let closed: Promise<void> | undefined;
    const consumer = await bus.consume(
      names.queue,
      {
        async 'order.paid'() {
          throw new Error('no');
        },
      },
      options({
        circuit: circuit(30),
        retry: { delaysMs: [60_000] },
        onTrouble() {
          expect(consumer.state().circuit).toBe('open');
          closed ??= consumer.close();
        },
      }),
    );
    await bus.publish('order.paid', { order: 'A' });
    await bus.publish('order.paid', { order: 'B' });
    await eventually('it opens', () => closed !== undefined);
    await closed;
    await bus.publish('order.paid', { order: 'C' });
    // Its pause is over by now.
    await eventually('nobody takes it', async () => (await ready(names.queue)) === 1);
    expect((await bus.transport.counts(names.queue))?.consumers).toBe(0);
  });
});
