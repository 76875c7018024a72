/** What replays that were given up leave to the next one, and what stays with another broker. */
import { expect, it } from 'vitest';
import type { Ledger } from '../../src/dead-letters/ledger.js';
import type { LedgerRows } from '../../src/dead-letters/ledger-rows.js';
import { messageHash } from '../../src/dead-letters/message-hash.js';
import { resumeReplay, startReplay } from '../../src/dead-letters/replay.js';
import { describeReplay, type Stage } from './replay-stage.js';

/** A replay that died after it had claimed these, and had the first `confirmed` of them confirmed. */
async function diedWith({ transport, ledger, names, contents }: Stage, count: number, confirmed: number) {
  const rows = await begin(ledger, names.dlq, await transport.identity());
  const messages = (await contents(names.dlq)).slice(0, count);
  const first = rows.claim(
    messages.map((message) => ({
      hash: messageHash(message),
      messageId: message.properties.messageId,
      target: names.work,
      doubt: false,
    })),
    [],
    [],
  );
  rows.confirm(Array.from({ length: confirmed }, (_, at) => first + at));
}

async function begin(ledger: Ledger, queue: string, broker: string): Promise<LedgerRows> {
  const target = { kind: 'queue' } as const;
  const more = { criteria: undefined, limit: undefined, total: 5, startedAt: Date.now() };
  return ledger.begin({ id: 'given0up', broker, queue, target, ...more });
}

describeReplay('after a replay was abandoned, the next one', (withStage) => {
  it('sends only what it selects, acks what was confirmed, and counts what is doubtful', async () => {
    const stage = await withStage();
    const { transport, ledger, names, die, ids, ready } = stage;
    await die(5);
    // m-1 was confirmed; m-2 and m-3 were claimed, and may have been sent.
    await diedWith(stage, 3, 1);
    expect(ledger.abandon('given0up')).toBe(true);
    const chosen = new Set(['m-3', 'm-5']);
    const report = await startReplay(transport, ledger, {
      queue: names.dlq,
      target: { kind: 'queue' },
      select: ({ properties }) => chosen.has(properties.messageId ?? ''),
    });
    expect(await ids(names.work)).toEqual(['m-3', 'm-5']);
    expect(await ids(names.dlq)).toEqual(['m-2', 'm-4']);
    expect(report).toMatchObject({ replayed: 3, possibleDuplicates: 1, left: 2 });
    expect(ledger.find(report.id)).toMatchObject({ state: 'finished' });
    // What nobody has sent yet is still known to be doubtful.
    const rest = await startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'queue' } });
    expect(rest).toMatchObject({ replayed: 2, possibleDuplicates: 1, left: 0 });
    expect(await ready(names.work)).toBe(4);
  });

  it('is not told of a queue of the same name on another broker', async () => {
    const stage = await withStage();
    const { transport, ledger, names, die, ready } = stage;
    await die(2);
    await begin(ledger, names.dlq, 'somewhere else');
    await expect(resumeReplay(transport, ledger, 'given0up')).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('another broker'),
    });
    expect(await ready(names.dlq)).toBe(2);
    const report = await startReplay(transport, ledger, { queue: names.dlq, target: { kind: 'queue' } });
    expect(report).toMatchObject({ replayed: 2, possibleDuplicates: 0 });
  });
});
