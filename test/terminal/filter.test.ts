import { describe, expect, it } from 'vitest';
import type { EventRecord } from '../../src/core/events/record.js';
import { compileFilter } from '../../src/terminal/filter.js';

const record: EventRecord = {
  receivedAt: '2026-01-01T00:00:00.000Z',
  exchange: 'events',
  routingKey: 'analysis.failed',
  messageId: 'm-1',
  type: 'analysis.failed',
  headers: { attempt: 2 },
  valid: true,
  event: { userEmail: 'budi@example.com', metadata: { retryCount: 3, tags: ['a', 'b'] } },
};

describe('a filter', () => {
  it.each([
    ['event.metadata.retryCount > 2', true],
    ['event.metadata.retryCount == 3', true],
    ['event.metadata.retryCount >= 4', false],
    ['eventType == "analysis.failed" && valid', true],
    ['routingKey.startsWith("analysis.") && exchange == "events"', true],
    ['"b" in event.metadata.tags', true],
    ['headers.attempt == 2', true],
    ['messageId.matches("^m-[0-9]+$")', true],
    ['has(event.nothing)', false],
    ['event.nothing.at.all == 1', undefined],
    ['event.metadata > 1', undefined],
  ])('%s is %s', async (expression, matches) => {
    expect((await compileFilter(expression))(record)).toBe(matches);
  });

  it.each(['', '1 +', 'event.(', '"open'])(
    'refuses "%s" when it is given, not at the first event',
    async (expression) => {
      await expect(compileFilter(expression)).rejects.toMatchObject({ code: 'usage' });
    },
  );

  it('that gives no truth value says so at the first event instead of showing nothing', async () => {
    const filter = await compileFilter('event.metadata.retryCount');
    expect(() => filter(record)).toThrow('gives number, not true or false');
  });
});
