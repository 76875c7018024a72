/** What a replay does about messages that die again. */
import { expect, it } from 'vitest';
import { queue } from '../../src/core/topology/model.js';
import type { Transport } from '../../src/core/transport.js';
import { startReplay } from '../../src/dead-letters/replay.js';
import { eventually } from '../await.js';
import { describeReplay } from './replay-stage.js';

/** A consumer that rejects every `n`th message, and says how many it had. */
async function failing(transport: Transport, name: string, everyNth: number): Promise<{ had: number }> {
  const consumer = { had: 0 };
  await transport.consume(name, {}, (delivery) => {
    consumer.had++;
    void (consumer.had % everyNth === 0 ? delivery.reject() : delivery.ack());
  });
  return consumer;
}

describeReplay('a replay whose messages die again', (withStage) => {
  it('counts them, replays each only once, and ends', async () => {
    const { transport, ledger, names, fill, ready, open } = await withStage();
    await fill(900);
    await failing(await open(), names.work, 3);
    const report = await startReplay(transport, ledger, {
      queue: names.dlq,
      target: { kind: 'queue' },
      canary: { first: 10_000, watchMs: 2_000, maxDeathRate: 1 },
    });
    expect(report).toMatchObject({ replayed: 900, boomeranged: 300, watched: 'copies' });
    await eventually('they are back', async () => (await ready(names.dlq)) === 300);
  });

  it('stops after the canary, and leaves the rest untouched', async () => {
    const { transport, ledger, names, fill, ready, open } = await withStage();
    await fill(500);
    await failing(await open(), names.work, 1);
    const report = await startReplay(transport, ledger, {
      queue: names.dlq,
      target: { kind: 'queue' },
      canary: { first: 10, watchMs: 10_000 },
    });
    expect(report).toMatchObject({ stopped: 'canary', replayed: 10 });
    expect(report.boomeranged).toBeGreaterThan(1);
    await eventually('the ten are back', async () => (await ready(names.dlq)) === 500);
    expect(ledger.find(report.id)).toMatchObject({ state: 'stopped', settled: 10 });
  });

  it('doubles after every canary that lives', async () => {
    const { transport, ledger, names, fill, ready, open } = await withStage();
    await fill(100);
    await failing(await open(), names.work, 1_000_000);
    const watches: number[] = [];
    let replayed = 0;
    const report = await startReplay(
      transport,
      ledger,
      {
        queue: names.dlq,
        target: { kind: 'queue' },
        canary: { first: 10, watchMs: 60_000 },
        onProgress: (progress) => {
          replayed = progress.replayed;
        },
      },
      {
        // Time flies: nothing dies here.
        async pause() {
          if (watches.at(-1) !== replayed) watches.push(replayed);
          await eventually('they are taken', async () => (await ready(names.work)) === 0);
        },
      },
    );
    expect(report).toMatchObject({ replayed: 100, left: 0 });
    expect(report.stopped).toBeUndefined();
    // Watched before the batch is told as done: after 10, 30 and 70 sent, and what was left. The first ten may have
    // been sent in two parts, as they arrived.
    expect(watches[0]).toBeLessThan(10);
    expect(watches.slice(1)).toEqual([10, 30, 100]);
  });

  it('stops after a canary that nobody takes', async () => {
    const { transport, ledger, names, fill, ready } = await withStage();
    await fill(50);
    const report = await startReplay(transport, ledger, {
      queue: names.dlq,
      target: { kind: 'queue' },
      canary: { first: 5, watchMs: 100 },
    });
    expect(report).toMatchObject({ stopped: 'canary', replayed: 5, boomeranged: 0, untaken: 5, left: 45 });
    expect(await ready(names.work)).toBe(5);
  });

  it('counts what waits for a retry as failing', async () => {
    const { transport, ledger, names, fill } = await withStage();
    const delay = `${names.work}.retry.5000`;
    await transport.apply({
      exchanges: [],
      queues: [
        queue(delay, {
          'x-message-ttl': 600_000,
          'x-dead-letter-exchange': '',
          'x-dead-letter-routing-key': names.work,
        }),
      ],
      bindings: [],
    });
    await fill(50);
    await transport.publish({
      exchange: '',
      routingKey: delay,
      body: Buffer.from('waits already'),
      properties: {},
    });
    await transport.consume(names.work, {}, async (delivery) => {
      const { body, properties } = delivery.message;
      await transport.publish({ exchange: '', routingKey: delay, body, properties });
      await delivery.ack();
    });
    const report = await startReplay(transport, ledger, {
      queue: names.dlq,
      target: { kind: 'queue' },
      canary: { first: 5, watchMs: 1_000 },
    });
    expect(report).toMatchObject({ stopped: 'canary', replayed: 5, waiting: 5, boomeranged: 0, left: 45 });
    await transport.remove({ queues: [delay] });
  });

  it('watches the depth of the queue where dead letters come by the default exchange, and says so', async () => {
    const { transport, ledger, names, open } = await withStage();
    const work = `plain_${names.work}`;
    const args = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': names.dlq };
    await transport.apply({ exchanges: [], queues: [queue(work, args)], bindings: [] });
    for (let n = 1; n <= 40; n++) {
      const properties = { messageId: `m-${n}` };
      await transport.publish({ exchange: '', routingKey: work, body: Buffer.from('{}'), properties });
    }
    const consumer = await failing(await open(), work, 1);
    await eventually('all have died', () => consumer.had === 40);
    await eventually('all are there', async () => (await transport.counts(names.dlq))?.ready === 40);
    const report = await startReplay(transport, ledger, {
      queue: names.dlq,
      target: { kind: 'queue' },
      canary: { first: 10, watchMs: 5_000 },
    });
    expect(report).toMatchObject({ stopped: 'canary', replayed: 10, watched: 'depth' });
    expect(report.boomeranged).toBeGreaterThan(1);
    await transport.remove({ queues: [work] });
  });
});
