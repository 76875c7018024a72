import { describe, expect, it } from 'vitest';
import type { ReceivedMessage } from '../../src/core/message.js';
import { bind, exchange, queue } from '../../src/core/topology/model.js';
import type { Survey } from '../../src/core/transport.js';
import { previewReplay } from '../../src/dead-letters/preview.js';
import type { ReplayTarget } from '../../src/dead-letters/replay-types.js';
import { atma } from '../../src/presets/atma.js';
import { deadLetter, death } from './letters.js';

const TOPOLOGY = {
  exchanges: [exchange('events', 'topic')],
  queues: [queue('notifications')],
  bindings: bind('events', 'notifications', '#'),
};
const BLIND: Survey = { state: 'unknown', reason: 'no management API' };
const KNOWN: Survey = {
  state: 'known',
  ...TOPOLOGY,
  queues: TOPOLOGY.queues.map((each) => ({ ...each, ready: 0, consumers: 0 })),
};

const letter = (failedQueue: string, from = 'events') =>
  deadLetter({ 'x-death': [death(failedQueue, 'rejected', 1_700_000_000, { exchange: from })] });

async function preview(survey: Survey, target: ReplayTarget, ...letters: ReceivedMessage[]) {
  const transport = {
    survey: async () => survey,
    counts: async (name: string) => (name === 'notifications' ? { ready: 0, consumers: 0 } : undefined),
  };
  async function* messages() {
    yield* letters;
  }
  const { catalog } = atma.build({});
  return previewReplay(transport, messages(), { queue: 'dlq', target, catalog, topology: TOPOLOGY });
}

describe('the preview of a replay', () => {
  it.each([
    ['queue', letter('gone'), 'queue-missing'],
    ['queue', letter('dlq'), 'no-target'],
    ['queue', deadLetter({}), 'no-target'],
    ['exchange', letter('notifications', 'gone'), 'exchange-missing'],
  ] as const)('to the %s names why a dead letter would be skipped (%#)', async (kind, message, reason) => {
    const { rows, skipped, selected } = await preview(KNOWN, { kind }, message);
    expect({ rows, skipped, selected }).toEqual({ rows: [], skipped: { [reason]: 1 }, selected: 1 });
  });

  it('finds a missing queue also where the broker tells no bindings', async () => {
    const { rows, skipped, wiring } = await preview(
      BLIND,
      { kind: 'queue' },
      ...[letter('gone'), letter('notifications')],
    );
    expect(skipped).toEqual({ 'queue-missing': 1 });
    expect(rows).toMatchObject([{ queues: ['notifications'], count: 1 }]);
    expect(wiring).toBe('topology');
  });

  it('calls nothing unroutable on the word of a declaration', async () => {
    const { rows, skipped } = await preview(
      BLIND,
      { kind: 'exchange' },
      ...[letter('notifications'), letter('notifications', 'foreign')],
    );
    expect(skipped).toEqual({});
    expect(rows.map(({ queues }) => queues)).toEqual([['notifications'], undefined]);
  });
});
