import { expect, it } from 'vitest';
import { queue } from '../../src/core/topology/model.js';
import { resumeReplay, startReplay } from '../../src/dead-letters/replay.js';
import { collect, DEAD_KEY, describeReplay, fillQueue, takeAll } from './replay-stage.js';

describeReplay('a replay', (withStage) => {
  it('brings dead letters back to the queue that failed, and to no other', async () => {
    const { transport, ledger, names, die, ids, ready } = await withStage();
    await die(3);
    expect(await ready(names.healthy)).toBe(3);
    const report = await startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'queue' } });
    expect(report).toEqual({
      id: expect.stringMatching(/^[0-9a-hjkmnp-tv-z]{8}$/),
      queue: names.dlq,
      replayed: 3,
      skipped: {},
      boomeranged: 0,
      possibleDuplicates: 0,
      left: 0,
      watched: 'copies',
    });
    expect(await ids(names.work)).toEqual(['m-1', 'm-2', 'm-3']);
    expect(await ready(names.healthy)).toBe(3);
    expect(ledger.find(report.id)).toMatchObject({ state: 'finished', total: 3, settled: 3, claimed: 0 });
  });

  it('sends body, properties and headers as they are, and a record of the replay', async () => {
    const { transport, ledger, names, die, contents } = await withStage();
    const properties = {
      messageId: 'm-one',
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      correlationId: 'c',
      replyTo: 'r',
      type: 'order.paid',
      appId: 'shop',
      timestamp: 1_769_900_000,
      priority: 3,
      deliveryMode: 2,
      headers: { tenant: 'a', 'x-retry': { attempt: 4 } },
    } as const;
    await die(1, properties);
    const [dead] = await contents(names.dlq);
    const now = () => Date.parse('2026-02-01T10:00:00.000Z');
    const { id } = await startReplay(
      transport,
      ledger,
      { queue: names.dlq, target: { kind: 'queue' } },
      { now },
    );
    const [back] = await contents(names.work);
    expect(back?.body.toString()).toBe('{"n":1}');
    const { 'x-retry': _, ...kept } = dead?.properties.headers ?? {};
    expect(back?.properties).toEqual({
      ...properties,
      headers: {
        ...kept,
        'x-replay': {
          id,
          time: '2026-02-01T10:00:00.000Z',
          from: names.dlq,
          exchange: names.events,
          routingKey: 'order.paid',
        },
      },
    });
  });

  it('restores exchange and routing key when asked, and everybody bound gets it again', async () => {
    const { transport, ledger, names, die, ids, contents } = await withStage();
    await die(2);
    const report = await startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'exchange' } });
    expect(report.replayed).toBe(2);
    expect(await ids(names.work)).toEqual(['m-1', 'm-2']);
    expect(await ids(names.healthy)).toEqual(['m-1', 'm-2', 'm-1', 'm-2']);
    const [back] = await contents(names.work);
    expect([back?.exchange, back?.routingKey]).toEqual([names.events, 'order.paid']);
  });

  it('brings them to a named queue, also those that do not tell where they came from', async () => {
    const { transport, ledger, names, ids } = await withStage();
    await transport.publish({
      exchange: names.dlx,
      routingKey: DEAD_KEY,
      body: Buffer.from('?'),
      properties: { messageId: 'stray' },
    });
    const lost = await startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'queue' } });
    expect(lost).toMatchObject({ replayed: 0, skipped: { 'no-target': 1 }, left: 1 });
    expect(lost.stopped).toBeUndefined();
    const target = { kind: 'name', queue: names.healthy } as const;
    const named = await startReplay(transport, ledger, { queue: names.dlq, target });
    expect(named).toMatchObject({ replayed: 1, skipped: {}, left: 0 });
    expect(await ids(names.healthy)).toEqual(['stray']);
  });

  it('refuses the dead-letter queue itself and a missing queue as target, and leaves no trace of it', async () => {
    const { transport, ledger, names, die, ready } = await withStage();
    await die(1);
    const start = (name: string) =>
      startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'name', queue: name } });
    await expect(start(names.dlq)).rejects.toMatchObject({ code: 'usage' });
    await expect(start('nowhere')).rejects.toMatchObject({ code: 'queue-missing' });
    expect(ledger.list()).toEqual([]);
    expect(await ready(names.dlq)).toBe(1);
  });

  it('leaves what belongs to a queue that is gone, or to the dead-letter queue itself', async () => {
    const { transport, ledger, names, fill, ids } = await withStage();
    await fill(2, 'fine');
    await fillQueue(transport, { ...names, work: 'gone' }, ['gone-1', 'gone-2']);
    await fill(1, 'fine-too');
    const report = await startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'queue' } });
    expect(report).toMatchObject({ replayed: 3, skipped: { 'queue-missing': 2 }, left: 2 });
    expect(await ids(names.dlq)).toEqual(['gone-1', 'gone-2']);
    expect(await ids(names.work)).toEqual(['fine-1', 'fine-2', 'fine-too-1']);
    expect(ledger.find(report.id)).toMatchObject({ state: 'finished', settled: 3, skipped: 2 });
  });

  it('leaves what no queue is bound for, what has no exchange any more, and what a full queue refuses', async () => {
    const { transport, ledger, names, ids } = await withStage();
    const full = `full_${names.work}`;
    await transport.apply({
      exchanges: [],
      queues: [queue(full, { 'x-max-length': 1, 'x-overflow': 'reject-publish' })],
      bindings: [],
    });
    const unbound = { ...names, events: names.dlx };
    await fillQueue(transport, unbound, ['unbound']);
    await fillQueue(transport, { ...names, events: 'no-such-exchange' }, ['homeless']);
    await fillQueue(transport, names, ['fine']);
    const first = await startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'exchange' } });
    expect(first).toMatchObject({ replayed: 1, skipped: { unroutable: 1, 'exchange-missing': 1 }, left: 2 });
    const target = { kind: 'name', queue: full } as const;
    const second = await startReplay(transport, ledger, { queue: names.dlq, target });
    expect(second).toMatchObject({ replayed: 1, skipped: { 'publish-refused': 1 }, left: 1 });
    expect(await ids(full)).toEqual(['unbound']);
    expect(await ids(names.dlq)).toEqual(['homeless']);
    await transport.remove({ queues: [full] });
  });

  it('stops when a hundred in a row are refused', async () => {
    const { transport, ledger, names, fill, ready } = await withStage();
    await fillQueue(transport, names, ['fine']);
    await fillQueue(
      transport,
      { ...names, events: 'no-such-exchange' },
      Array.from({ length: 1_400 }, (_, at) => `homeless-${at}`),
    );
    await fill(1, 'after');
    const report = await startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'exchange' } });
    expect(report).toMatchObject({ stopped: 'errors', error: { code: 'exchange-missing' }, replayed: 1 });
    expect(await ready(names.dlq)).toBe(1_401);
    expect(ledger.unfinished(await transport.identity(), names.dlq)).toBeUndefined();
  });

  it('takes only what is selected, as many as it may, and leaves the order of the rest', async () => {
    const { transport, ledger, names, fill, ids } = await withStage();
    await fill(10);
    const even = (id = '') => Number(id.slice(2)) % 2 === 0;
    const report = await startReplay(transport, ledger, {
      queue: names.dlq,
      target: { kind: 'queue' },
      select: ({ properties }) => even(properties.messageId),
      limit: 3,
      criteria: '{"even":true}',
    });
    expect(report).toMatchObject({ replayed: 3, left: 7 });
    expect(await ids(names.work)).toEqual(['m-2', 'm-4', 'm-6']);
    expect(await ids(names.dlq)).toEqual(['m-1', 'm-3', 'm-5', 'm-7', 'm-8', 'm-9', 'm-10']);
    expect(ledger.find(report.id)).toMatchObject({ criteria: '{"even":true}', limit: 3 });
  });

  it('brings back each of several twins, and messages without an id', async () => {
    const { transport, ledger, names, contents, ready } = await withStage();
    await fillQueue(transport, names, ['twin', 'twin', 'twin']);
    await fillQueue(transport, names, ['', ''], { messageId: '' });
    const report = await startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'queue' } });
    expect(report).toMatchObject({ replayed: 5, possibleDuplicates: 0, left: 0 });
    expect(await contents(names.work)).toHaveLength(5);
    expect(await ready(names.dlq)).toBe(0);
  });

  it('sends what an edit makes of a dead letter', async () => {
    const { transport, ledger, names, die, contents } = await withStage();
    await die(1);
    await startReplay(transport, ledger, {
      queue: names.dlq,
      target: { kind: 'queue' },
      edit: (outgoing) => ({ ...outgoing, body: Buffer.from('edited') }),
    });
    expect((await contents(names.work)).map(({ body }) => body.toString())).toEqual(['edited']);
  });

  it('can be replayed again after it died again, with the replay before it replaced', async () => {
    const { transport, ledger, names, die, contents } = await withStage();
    await die(1);
    await startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'queue' } });
    await takeAll(transport, names.work, 1, (delivery) => delivery.reject());
    const { id } = await startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'queue' } });
    const [back] = await contents(names.work);
    expect(back?.properties.headers?.['x-replay']).toMatchObject({
      id,
      exchange: names.events,
      routingKey: 'order.paid',
    });
  });

  it('keeps its pace, in small slices', async () => {
    const { transport, ledger, names, fill } = await withStage();
    await fill(60);
    const begun = performance.now();
    const report = await startReplay(transport, ledger, {
      queue: names.dlq,
      target: { kind: 'queue' },
      rate: 100,
    });
    expect(report.replayed).toBe(60);
    expect(performance.now() - begun).toBeGreaterThan(500);
  });

  it('finishes what it has claimed when interrupted, leaves the rest, and can be resumed', async () => {
    const { transport, ledger, names, fill, ids, ready } = await withStage();
    const all = await fill(2_500);
    const abort = new AbortController();
    let batches = 0;
    const report = await startReplay(
      transport,
      ledger,
      { queue: names.dlq, target: { kind: 'queue' }, signal: abort.signal },
      { onStep: (step) => step === 'claimed' && ++batches === 2 && abort.abort() },
    );
    expect(report.stopped).toBe('interrupted');
    expect(report.replayed).toBeGreaterThan(0);
    expect(report.replayed + report.left).toBe(2_500);
    expect(ledger.find(report.id)).toMatchObject({ state: 'stopped', claimed: 0, confirmed: 0 });
    const resumed = await resumeReplay(transport, ledger, report.id);
    expect(resumed).toMatchObject({ id: report.id, replayed: 2_500, possibleDuplicates: 0, left: 0 });
    expect(resumed.stopped).toBeUndefined();
    expect(await ready(names.dlq)).toBe(0);
    expect((await ids(names.work)).toSorted()).toEqual(all.toSorted());
    await expect(resumeReplay(transport, ledger, report.id)).rejects.toMatchObject({ code: 'usage' });
  });

  it('tells its progress', async () => {
    const { transport, ledger, names, fill } = await withStage();
    await fill(1_200);
    const seen: number[] = [];
    let replayed = 0;
    await startReplay(transport, ledger, {
      queue: names.dlq,
      target: { kind: 'queue' },
      onProgress(progress) {
        expect(progress.total).toBe(1_200);
        seen.push(progress.seen);
        replayed = progress.replayed;
      },
    });
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(replayed).toBe(1_200);
  });

  it('does not fill the queue of a stranger that CC names', async () => {
    const { transport, ledger, names, ready, open } = await withStage();
    await fillQueue(transport, names, ['cc'], { headers: { CC: [names.healthy] } });
    const before = await ready(names.healthy);
    await startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'queue' } });
    expect(await ready(names.healthy)).toBe(before);
    const [back] = await collect(await open(), names.work);
    expect(back?.properties.headers?.['x-replay']).toMatchObject({ removed: { CC: [names.healthy] } });
  });
});
