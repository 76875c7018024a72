import { describe, expect, it } from 'vitest';
import type { EventRecord } from '../../src/core/events/record.js';
import { compileDeadLetterFilter, compileFilter } from '../../src/terminal/filter.js';

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

describe('a filter on dead letters', () => {
  const letter = {
    ...record,
    reason: 'exhausted',
    queue: 'notifications',
    failure: { exception: 'TypeError', attempts: 5 },
    diedAt: '2026-01-31T23:00:00.000Z',
  };

  it.each([
    ['reason == "exhausted" && queue == "notifications"', true],
    ['failure.exception == "TypeError" && failure.attempts >= 5', true],
    ['has(failure.stack)', false],
    ['failure.stack.contains("x")', undefined],
    ['diedAt > "2026-01-31T22:59" && diedAt < "2026-02"', true],
    ['eventType == "analysis.failed" && event.metadata.retryCount == 3', true],
  ])('%s is %s', async (expression, matches) => {
    expect((await compileDeadLetterFilter(expression))(letter)).toBe(matches);
  });

  it('can ask a message without a failure record or a time', async () => {
    const bare = { ...letter, reason: 'unknown', queue: '', failure: {}, diedAt: null };
    expect((await compileDeadLetterFilter('has(failure.exception)'))(bare)).toBe(false);
    expect((await compileDeadLetterFilter('diedAt > "2026"'))(bare)).toBeUndefined();
  });

  it('has names that other filters do not know', async () => {
    await expect(compileFilter('reason == "exhausted"')).rejects.toMatchObject({ code: 'usage' });
    await expect(compileDeadLetterFilter('reasons == "exhausted"')).rejects.toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('reason, queue, failure, diedAt'),
    });
  });
});
