import { describe, expect, it } from 'vitest';
import type { Headers, HeaderValue } from '../../src/core/message.js';
import { readDeath } from '../../src/dead-letters/death.js';
import { deadLetter, death, failed, failure, fixture } from './letters.js';

const DLQ = 'notifications_dlq';
const of = (headers: Headers) => readDeath(deadLetter(headers), DLQ);

describe('the death of a message', () => {
  it('is what the failure record says, whatever the broker adds', () => {
    const read = of({ ...failed(), 'x-death': [death('elsewhere', 'expired', 1_769_900_400)] });
    expect(read).toMatchObject({
      reason: 'exhausted',
      failedQueue: 'notifications',
      exchange: 'events',
      routingKey: 'analysis.completed',
      attempts: 5,
      firstDiedAt: '2026-01-31T22:48:25.000Z',
      lastDiedAt: '2026-01-31T23:01:00.000Z',
      record: failure,
    });
    expect(read.history).toHaveLength(1);
  });

  it('is the newest in x-death that is not about the dead-letter queue itself', () => {
    const read = of({
      'x-death': [
        death(DLQ, 'rejected', 1_769_900_600, {
          exchange: 'events_dlx',
          'routing-keys': ['notifications.dlq'],
        }),
        death('notifications', 'rejected', 1_769_900_400, { count: 3 }),
        death('first', 'maxlen', 1_769_900_000, { exchange: 'origin', 'routing-keys': ['one', 'two'] }),
      ],
    });
    expect(read).toMatchObject({
      reason: 'rejected',
      failedQueue: 'notifications',
      exchange: 'origin',
      routingKey: 'one',
      attempts: 3,
      firstDiedAt: '2026-01-31T22:53:20.000Z',
      lastDiedAt: '2026-01-31T23:00:00.000Z',
      record: undefined,
    });
    expect(read.history.map(({ queue, reason, count }) => [queue, reason, count])).toEqual([
      [DLQ, 'rejected', 1],
      ['notifications', 'rejected', 3],
      ['first', 'maxlen', 1],
    ]);
  });

  it('began with the entry that x-first-death names, also when counting up has moved it to the front', () => {
    const read = of({
      'x-first-death-queue': 'notifications',
      'x-first-death-reason': 'rejected',
      'x-first-death-exchange': 'events',
      'x-death': [
        death('notifications', 'rejected', 1_769_900_400, { count: 2 }),
        death(DLQ, 'rejected', 1_769_900_500, {
          exchange: 'events_dlx',
          'routing-keys': ['notifications.dlq'],
        }),
      ],
    });
    expect([read.exchange, read.routingKey]).toEqual(['events', 'analysis.completed']);
  });

  it.each(['x-retry', 'x-replay'])(
    'began where %s remembers: the broker has seen only the copy',
    (header) => {
      const read = of({
        [header]: {
          ...{ attempt: 1, firstFailedAt: '2026-01-31T22:00:00.000Z' },
          ...{ id: 'r-1', time: '2026-01-31T22:00:00.000Z', from: DLQ },
          ...{ exchange: 'events', routingKey: 'analysis.failed' },
        },
        'x-death': [
          death('notifications', 'rejected', 1_769_900_400, {
            exchange: '',
            'routing-keys': ['notifications'],
          }),
        ],
      });
      expect([read.failedQueue, read.exchange, read.routingKey]).toEqual([
        'notifications',
        'events',
        'analysis.failed',
      ]);
    },
  );

  it('is unknown where nothing tells, and its address is its own', () => {
    expect(of({})).toEqual({
      reason: 'unknown',
      failedQueue: undefined,
      exchange: 'events_dlx',
      routingKey: 'notifications.dlq',
      attempts: 0,
      firstDiedAt: undefined,
      lastDiedAt: undefined,
      record: undefined,
      history: [],
    });
    expect(of({ 'x-death': [death(DLQ, 'rejected', 1_769_900_400)] })).toMatchObject({
      reason: 'unknown',
      failedQueue: undefined,
      attempts: 0,
    });
  });

  it.each(['rejected', 'expired', 'maxlen', 'delivery_limit'])('can be "%s"', (reason) => {
    expect(of({ 'x-death': [death('notifications', reason, 1)] }).reason).toBe(reason);
  });

  it('for a reason that no broker gives is unknown, in its queue', () => {
    expect(of({ 'x-death': [death('notifications', 'bored', 1)] })).toMatchObject({
      reason: 'unknown',
      failedQueue: 'notifications',
    });
  });

  it('of a failure record that is none is that of x-death', () => {
    const headers = { 'x-failure': { reason: 'exhausted', queue: 7 }, 'x-death': [death('q', 'expired', 1)] };
    expect(of(headers)).toMatchObject({ reason: 'expired', failedQueue: 'q', record: undefined });
  });

  it.each<[string, HeaderValue]>([
    ['no array', 'rejected'],
    ['a table', { queue: 'q', reason: 'rejected' }],
    ['null', null],
    ['texts', ['rejected', 'expired']],
    ['nested arrays', [[[]], [null]]],
    ['a typed value', { '!': 'bytes', value: 'AAAA' }],
    ['entries that are no tables', [1, true, null, { '!': 'int64', value: '99' }]],
  ])('in an x-death of %s is none', (_, value) => {
    expect(of({ 'x-death': value })).toMatchObject({
      reason: 'unknown',
      failedQueue: undefined,
      history: [],
    });
  });

  it.each<[string, Headers]>([
    ['queue', { queue: 7 }],
    ['reason', { reason: { deep: [] } }],
    ['count', { count: 'many' }],
    ['negative count', { count: -3 }],
    ['endless count', { count: { '!': 'double', value: 'Infinity' } }],
    ['time', { time: 'yesterday' }],
    ['time beyond all dates', { time: { '!': 'timestamp', value: '18446744073709551615' } }],
    ['time in the year 40,000', { time: { '!': 'timestamp', value: 1_200_000_000_000 } }],
    ['exchange', { exchange: null }],
    ['routing keys', { 'routing-keys': 'analysis.completed' }],
    ['routing keys of numbers', { 'routing-keys': [1, null] }],
  ])('with a %s of a wrong shape still tells the rest', (_, wrong) => {
    const [entry] = of({ 'x-death': [death('q', 'rejected', 1_769_900_400, wrong)] }).history;
    expect(entry).toBeDefined();
    const right = { queue: 'q', reason: 'rejected', count: 1, time: '2026-01-31T23:00:00.000Z' };
    const kept = Object.entries(right).filter(([name]) => !(name in wrong));
    expect(entry).toMatchObject(Object.fromEntries(kept));
    expect(entry?.time ?? 'none').toMatch(/^(none|2026.*)$/);
  });

  it('of the seven jobs nobody could inspect is told by x-death alone', () => {
    const read = fixture('assessment_analysis_dlq').map((message) =>
      readDeath({ ...message, redelivered: false }, 'assessment_analysis_dlq'),
    );
    expect(read).toHaveLength(7);
    for (const each of read) {
      expect(each).toMatchObject({
        reason: 'rejected',
        failedQueue: 'assessment_analysis',
        exchange: 'atma_exchange',
        routingKey: 'analysis.process',
        attempts: 1,
      });
    }
  });
});
