import { expect, it } from 'vitest';
import { drain } from '../../src/dead-letters/drain.js';
import type { DrainBatch } from '../../src/dead-letters/drain-types.js';
import { eventually, gate } from '../await.js';
import { describeReplay, fillQueue } from './replay-stage.js';

const idsIn = (batch: DrainBatch) =>
  batch.messages.map(({ delivery }) => delivery.message.properties.messageId ?? '');

describeReplay('draining a queue', (withStage) => {
  /** Acks everything, and notes the ids. */
  const taking = (taken: string[]) => async (batch: DrainBatch) => {
    taken.push(...idsIn(batch));
    await Promise.all(batch.messages.map(({ delivery }) => delivery.ack()));
    await batch.synchronise();
    return 'go-on' as const;
  };

  it('hands out everything that was there, once, in order', async () => {
    const { transport, names, fill, ready } = await withStage();
    const ids = await fill(1_234);
    const taken: string[] = [];
    const result = await drain(transport, { queue: names.dlq }, taking(taken));
    expect(result).toEqual({ total: 1_234, seen: 1_234, gone: 1_234, ended: 'all' });
    expect(taken).toEqual(ids);
    expect(await ready(names.dlq)).toBe(0);
  });

  it('ends at once with an empty queue', async () => {
    const { transport, names } = await withStage();
    const result = await drain(transport, { queue: names.dlq }, taking([]));
    expect(result).toEqual({ total: 0, seen: 0, gone: 0, ended: 'all' });
  });

  it('rejects where there is no queue', async () => {
    const { transport } = await withStage();
    await expect(drain(transport, { queue: 'no-such-queue' }, taking([]))).rejects.toMatchObject({
      code: 'queue-missing',
    });
  });

  it('leaves what is not selected in its place, also when it is far more than one prefetch holds', async () => {
    const { transport, names, fill, ids } = await withStage();
    const front = await fill(20_000, 'keep');
    await fill(10, 'take');
    const behind = await fill(10, 'keep-too');
    const taken: string[] = [];
    const result = await drain(
      transport,
      {
        queue: names.dlq,
        select: ({ properties }) => properties.messageId?.startsWith('take') === true,
      },
      taking(taken),
    );
    expect(taken).toHaveLength(10);
    expect(result).toEqual({ total: 20_020, seen: 20_020, gone: 10, ended: 'all' });
    await eventually('all are back', async () => (await transport.counts(names.dlq))?.ready === 20_010);
    expect(await ids(names.dlq)).toEqual([...front, ...behind]);
  }, 120_000);

  it('takes no more than its limit, and what a batch leaves does not count', async () => {
    const { transport, names, fill, ids } = await withStage();
    const all = await fill(40);
    const taken: string[] = [];
    const result = await drain(transport, { queue: names.dlq, limit: 5 }, async (batch) => {
      const odd = batch.messages.filter((message) => Number(/\d+/.exec(idOf(message))?.[0]) % 2 === 1);
      for (const message of batch.messages) if (!odd.includes(message)) batch.leave(message);
      taken.push(...odd.map(idOf));
      await Promise.all(odd.map(({ delivery }) => delivery.ack()));
      await batch.synchronise();
      return 'go-on';
    });
    expect(result.ended).toBe('limit');
    expect(taken).toEqual(['m-1', 'm-3', 'm-5', 'm-7', 'm-9']);
    await eventually('the others are back', async () => (await transport.counts(names.dlq))?.ready === 35);
    expect(await ids(names.dlq)).toEqual(all.filter((id) => !taken.includes(id)));
  });

  it('does not take what comes while it works', async () => {
    const { transport, names, fill, ready } = await withStage();
    const ids = await fill(20);
    const taken: string[] = [];
    const take = taking(taken);
    const result = await drain(transport, { queue: names.dlq, batchSize: () => 5 }, async (batch) => {
      await fillQueue(transport, names, ['late']);
      return take(batch);
    });
    expect(result.seen).toBe(20);
    expect(taken).toEqual(ids);
    await eventually('the late ones are back', async () => (await ready(names.dlq)) > 3);
  });

  it('works on a few batches at a time, and waits for them when it is aborted', async () => {
    const { transport, names, fill, ready } = await withStage();
    await fill(2_000);
    const door = gate();
    const abort = new AbortController();
    let inWork = 0;
    const taken: string[] = [];
    const drained = drain(
      transport,
      { queue: names.dlq, batchSize: () => 100, inWork: 3, signal: abort.signal },
      async (batch) => {
        inWork++;
        await door.opened;
        return taking(taken)(batch);
      },
    );
    await eventually('three are in work', () => inWork === 3);
    abort.abort();
    door.open();
    expect((await drained).ended).toBe('aborted');
    expect(inWork).toBe(3);
    await eventually('the rest is back', async () => (await ready(names.dlq)) === 2_000 - taken.length);
  });

  it('stops when a batch says so, and puts the rest back', async () => {
    const { transport, names, fill, ids } = await withStage();
    const all = await fill(300);
    const taken: string[] = [];
    const result = await drain(
      transport,
      { queue: names.dlq, batchSize: () => 100, inWork: 1 },
      async (batch) => {
        await taking(taken)(batch);
        return 'stop';
      },
    );
    expect(result.ended).toBe('stopped');
    const rest = all.slice(taken.length);
    await eventually(
      'the rest is back',
      async () => (await transport.counts(names.dlq))?.ready === rest.length,
    );
    expect(await ids(names.dlq)).toEqual(rest);
  });

  it('ends with the error of a batch, and everything unsettled is back', async () => {
    const { transport, names, fill, ready } = await withStage();
    await fill(50);
    const broken = drain(transport, { queue: names.dlq }, async () => {
      throw new Error('no disk');
    });
    await expect(broken).rejects.toThrow('no disk');
    await eventually('all are back', async () => (await ready(names.dlq)) === 50);
  });

  it('ends when somebody else has taken the rest', async () => {
    const { transport, names, fill } = await withStage();
    await fill(30);
    const taken: string[] = [];
    const result = await drain(transport, { queue: names.dlq, total: 100 }, taking(taken));
    expect(result).toMatchObject({ seen: 30, ended: 'all' });
  });
});

function idOf({ delivery }: DrainBatch['messages'][number]): string {
  return delivery.message.properties.messageId ?? '';
}
