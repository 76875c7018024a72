import { describe, expect, it } from 'vitest';
import { deadLetterRoute } from '../../../src/core/consuming/dead-letter-route.js';
import { createLadder, type RetryOptions } from '../../../src/core/consuming/ladder.js';
import { EMPTY_TOPOLOGY, queue, type Topology } from '../../../src/core/topology/model.js';

const ladder = (options: RetryOptions | false, topology: Topology = EMPTY_TOPOLOGY, random = () => 0.5) =>
  createLadder('q', options, topology, random);
const withQueue = (args: Record<string, string>): Topology => ({
  ...EMPTY_TOPOLOGY,
  queues: [queue('q', args)],
});

describe('the retry ladder', () => {
  it('waits 5 s, 30 s, 2 min and 10 min by default, and no longer', () => {
    const { delayAfter } = ladder({});
    expect([1, 2, 3, 4, 5].map(delayAfter)).toEqual([5_000, 30_000, 120_000, 600_000, undefined]);
  });

  it('is empty when retries are off', () => {
    expect(ladder(false).delayAfter(1)).toBeUndefined();
  });

  it('shortens delays by up to the jitter, to whole milliseconds above 0', () => {
    expect(ladder({}, EMPTY_TOPOLOGY, () => 0).shortened(1_000)).toBe(1_000);
    expect(ladder({}).shortened(1_001)).toBe(951);
    expect(ladder({ jitter: 1 }, EMPTY_TOPOLOGY, () => 1).shortened(5)).toBe(1);
  });

  it('knows its delay queues by their names, also those it had before', () => {
    const { isDelayQueue } = ladder({ delaysMs: [5] });
    expect(
      ['q.retry.5', 'q.retry.600000', 'q.retry.', 'q.retry.5x', 'q2.retry.5', 'q'].map(isDelayQueue),
    ).toEqual([true, true, false, false, false, false]);
  });

  it('declares classic queues that lead back to the consumer’s queue only', () => {
    expect(ladder({}).specFor(5_000)).toEqual(
      queue('q.retry.5000', {
        'x-message-ttl': 5_000,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': 'q',
      }),
    );
  });

  it('declares quorum queues that hand back at least once for a quorum queue, or when asked', () => {
    const quorum = {
      'x-queue-type': 'quorum',
      'x-dead-letter-strategy': 'at-least-once',
      'x-overflow': 'reject-publish',
    };
    expect(ladder({}, withQueue({ 'x-queue-type': 'quorum' })).specFor(5).arguments).toMatchObject(quorum);
    expect(ladder({ queueType: 'quorum' }).specFor(5).arguments).toMatchObject(quorum);
    expect(
      ladder({ queueType: 'classic' }, withQueue({ 'x-queue-type': 'quorum' })).specFor(5).arguments,
    ).not.toHaveProperty('x-queue-type');
  });

  it.each([
    [{ delaysMs: [0] }],
    [{ delaysMs: [1.5] }],
    [{ delaysMs: [2 ** 32] }],
    [{ jitter: -0.1 }],
    [{ jitter: 2 }],
  ])('refuses %j', (options) => {
    expect(() => ladder(options)).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});

describe('where dead letters go', () => {
  it.each([
    [{}, { exchange: 'x' }, 'x', undefined],
    [{}, { exchange: 'x', routingKey: 'k' }, 'x', 'k'],
    [{ 'x-dead-letter-exchange': 'dlx' }, undefined, 'dlx', undefined],
    [{ 'x-dead-letter-exchange': 'dlx', 'x-dead-letter-routing-key': 'k' }, undefined, 'dlx', 'k'],
    [{ 'x-dead-letter-exchange': 'dlx' }, { exchange: 'x' }, 'x', undefined],
  ])('of a queue with %j and the option %j', (args, option, exchange, routingKey) => {
    expect(deadLetterRoute('q', withQueue(args as Record<string, string>), option)).toEqual({
      exchange,
      routingKey,
      own: undefined,
    });
  });

  it('is a queue of the consumer’s own when nothing is known', () => {
    const own = { exchange: '', routingKey: 'q_dlq', own: queue('q_dlq') };
    expect(deadLetterRoute('q', EMPTY_TOPOLOGY, undefined)).toEqual(own);
    expect(deadLetterRoute('q', withQueue({}), undefined)).toEqual(own);
  });
});
