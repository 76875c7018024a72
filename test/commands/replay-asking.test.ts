import { describe, expect, it } from 'vitest';
import { question } from '../../src/commands/replay-looking.js';
import { groupLine } from '../../src/commands/replay-picking.js';
import type { Preview } from '../../src/dead-letters/preview.js';

const row = {
  address: { exchange: '', routingKey: 'orders' },
  queues: ['orders'],
  type: 'order.paid',
  known: true,
  count: 2,
  invalid: 0,
};
const preview = (changes: Partial<Preview> = {}): Preview => ({
  rows: [row],
  skipped: {},
  selected: 2,
  seen: 2,
  wiring: 'broker',
  ...changes,
});

describe('the question before a replay', () => {
  const wanted = { queue: 'orders_dlq', criteria: {} };
  it.each([
    [{ preview: preview(), isCut: false }, 'Replay 2 dead letters of orders_dlq to orders?'],
    [
      { preview: preview({ selected: 3 }), isCut: false },
      'Replay 2 dead letters of orders_dlq to orders? (1 would be skipped)',
    ],
    [{ preview: preview(), isCut: true }, 'Replay 2 or more dead letters of orders_dlq to orders?'],
    [
      { preview: preview({ rows: [], selected: 0 }), isCut: true },
      'Replay dead letters of orders_dlq? How many is not known: they lie beyond the first 1,000.',
    ],
  ])('tells what was found (%#)', (found, text) => {
    expect(question(wanted, found)).toBe(text);
  });

  it('tells what picking found where a look would have cost something', () => {
    const picked = { messages: 7, to: ['a', 'b', 'c', 'd'] };
    expect(question({ ...wanted, picked }, undefined)).toBe(
      'Replay 7 dead letters of orders_dlq to a, b, c, …?',
    );
  });
});

describe('a group to pick', () => {
  it('shows nobody’s address, also where the line is cut in the middle of one', () => {
    const group = {
      ...{
        id: '1a2b3c4d',
        count: 3,
        type: 'analysis.failed',
        reason: 'exhausted' as const,
        fingerprint: 'f',
      },
      ...{ first: undefined, last: undefined, example: 'm-1', failedQueues: [], exception: 'Error' },
    };
    for (let length = 0; length < 60; length++) {
      const line = groupLine({ ...group, message: `${'x'.repeat(length)} john.doe@example.com is unknown` });
      expect(line.length).toBeLessThanOrEqual(100);
      expect(line).not.toContain('john');
    }
  });
});
