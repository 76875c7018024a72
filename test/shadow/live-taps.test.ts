/** Copies that come faster than they can be recorded: what that hides is a gap, and counts against nobody. */
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { atma } from '../../src/presets/atma.js';
import { startLiveTaps } from '../../src/shadow/live-taps.js';
import type { RunItem } from '../../src/shadow/run-item.js';
import { shadowBindings } from '../../src/shadow/tap-bindings.js';
import { eventually, gate } from '../await.js';
import { type CommandBroker, describeOnBothBrokers } from '../commands/brokers.js';
import { makeJob, publishCompleted } from '../commands/shadow-stage.js';

async function startTaps(broker: CommandBroker, options: { deadLetterExchange?: boolean } = {}) {
  const { topology, catalog } = atma.build(broker.env);
  const transport = await broker.open();
  onTestFinished(() => transport.close());
  if (options.deadLetterExchange === false) {
    const [events] = topology.exchanges;
    await transport.apply({ exchanges: events ? [events] : [], queues: [], bindings: [] });
  } else await transport.apply(topology);
  const items: RunItem[] = [];
  const told: string[] = [];
  let skipped = 0;
  let held: Promise<void> | undefined;
  const legs = [broker.notifications, broker.assessments].map((queue) => ({
    ...{ queue, eventType: 'analysis.completed' },
  }));
  const taps = startLiveTaps({
    ...{ transport, catalog, bindings: shadowBindings(legs, topology, catalog), source: 'taps' },
    bufferLimit: 20,
    put: (item) => void items.push(item),
    room: () => held,
    now: () => Date.now() + skipped,
    pause: (ms, signal) => pause(ms, undefined, { signal }),
    warn: (text) => void told.push(text),
    note: (text) => void told.push(text),
  });
  onTestFinished(() => taps.close());
  await eventually('they are bound', taps.isUp);
  return {
    ...{ taps, items, told, topology, transport },
    of: (kind: RunItem['kind']) => items.filter((item) => item.kind === kind),
    publish: (count: number) =>
      publishCompleted(broker, transport, ...Array.from({ length: count }, makeJob)),
    hold: (until: Promise<void> | undefined) => {
      held = until;
    },
    skip: (ms: number) => {
      skipped += ms;
    },
  };
}

describeOnBothBrokers('taps of a run', (broker) => {
  it('keep their watermark while the recorder has no room, and tell what the broker dropped', async () => {
    const room = gate();
    const { taps, items, told, of, publish, hold, skip } = await startTaps(broker);
    hold(room.opened);
    await publish(1);
    await eventually('a copy is there', () => of('event').length === 1);
    const since = taps.watermark() ?? 0;
    await publish(200);
    skip(60_000);
    expect(taps.watermark()).toBe(since);
    hold(undefined);
    room.open();
    await eventually('a drop is told', () => told.some((text) => text.includes('dropped copies')));
    const [first] = of('gap');
    expect(first).toMatchObject({ source: 'taps', from: since });
    expect(first?.kind === 'gap' && first.to - since).toBeGreaterThan(60_000);
    expect(of('event').length).toBeLessThan(201);
    // The gap comes before the watermark passes it.
    expect(items.findIndex(({ kind }) => kind === 'gap')).toBeGreaterThan(0);
    expect(taps.watermark()).toBeGreaterThan(since + 60_000);
    const copies = of('event').length;
    await publish(1);
    await eventually('they go on', () => of('event').length > copies);
  });

  it('lack nothing where the recorder was busy for a moment', async () => {
    const room = gate();
    const { of, publish, hold } = await startTaps(broker);
    hold(room.opened);
    await publish(1);
    await eventually('a copy is there', () => of('event').length === 1);
    hold(undefined);
    room.open();
    await publish(5);
    await eventually('all copies are there', () => of('event').length === 6);
    expect(of('gap')).toEqual([]);
  });

  it('say so where dead letters cannot be observed', async () => {
    await broker.clean();
    const { told } = await startTaps(broker, { deadLetterExchange: false });
    expect(told).toEqual([expect.stringMatching(/Dead letters are not observed.*setup creates it/)]);
  });
});
