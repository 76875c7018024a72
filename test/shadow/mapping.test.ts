import { describe, expect, test } from 'vitest';
import type { ShadowMapping } from '../../src/core/shadow-mapping.js';
import { parseShadowMapping } from '../../src/core/shadow-mapping.js';
import { bind, exchange, queue } from '../../src/core/topology/model.js';
import { compareRecords } from '../../src/shadow/compare.js';
import { compileMapping } from '../../src/shadow/mapping.js';
import { MAPPING, SHADOW, TOPOLOGY } from './scene.js';
import { bytesOf, START } from './traffic.js';

type Fields = NonNullable<ShadowMapping['legs'][number]['fields']>;

const topology = {
  exchanges: [exchange('shop', 'topic'), exchange('direct', 'direct'), exchange('all', 'fanout')],
  queues: [queue('billing')],
  bindings: [
    ...bind('shop', 'billing', 'order.*'),
    ...bind('direct', 'billing', 'order.paid'),
    ...bind('all', 'billing'),
  ],
};

function mappingOf(fields: Fields): ShadowMapping {
  return {
    legs: [
      {
        eventType: 'order.paid',
        consumer: 'billing',
        queue: 'billing',
        callback: { method: 'POST', path: '/paid', job: ['id'] },
        event: { job: ['order.id'] },
        fields,
      },
    ],
  };
}

async function outcomeOf(fields: Fields, body: object, event: object, redact: string[] = []) {
  const result = await compareRecords({
    mapping: { ...mappingOf(fields), redact },
    topology,
    callbacks: bytesOf([
      {
        at: START,
        record: {
          at: new Date(START).toISOString(),
          method: 'POST',
          path: '/paid?retry=1',
          body: { id: 7, ...body },
          status: 204,
        },
      },
    ]),
    events: bytesOf([
      {
        at: START,
        record: {
          receivedAt: new Date(START).toISOString(),
          exchange: 'shop',
          routingKey: 'order.paid',
          messageId: 'm',
          type: 'order.paid',
          headers: {},
          valid: true,
          event: { order: { id: '7' }, ...event },
        },
      },
    ]),
  });
  const [outcome] = Object.entries(result.counts.totals).find(([, count]) => count > 0) ?? ['none'];
  return { outcome, says: result.findings[0]?.says };
}

describe('a field', () => {
  const amount = { name: 'amount', callback: ['amount', 'betrag'], event: ['data.amount'] };

  test('is compared by its paths, the first that is there', async () => {
    expect(await outcomeOf([amount], { betrag: 5 }, { data: { amount: 5 } })).toMatchObject({
      outcome: 'match',
    });
    expect(await outcomeOf([amount], { betrag: 6 }, { data: { amount: 5 } })).toEqual({
      outcome: 'mismatch',
      says: 'The callback and the event do not say the same: amount is 6 by HTTP and 5 in the event.',
    });
  });

  test('that is null on one side and not there on the other is the same', async () => {
    expect(await outcomeOf([amount], { amount: null }, {})).toMatchObject({ outcome: 'match' });
    expect(await outcomeOf([amount], { amount: 0 }, {})).toEqual({
      outcome: 'mismatch',
      says: 'The callback and the event do not say the same: amount is 0 by HTTP and (absent) in the event.',
    });
  });

  test('that is optional is compared only where both sides have it', async () => {
    const optional = [{ ...amount, optional: true }];
    expect(await outcomeOf(optional, {}, { data: { amount: 5 } })).toMatchObject({ outcome: 'match' });
    expect(await outcomeOf(optional, { amount: 6 }, { data: { amount: 5 } })).toMatchObject({
      outcome: 'mismatch',
    });
  });

  test.each([
    [5, '5', 'mismatch'],
    [true, true, 'match'],
    [{ a: 1, b: [2] }, { b: [2], a: 1 }, 'match'],
    [{ a: 1, b: [2] }, { b: [3], a: 1 }, 'mismatch'],
    ['', null, 'mismatch'],
    ['Infinity', null, 'mismatch'],
  ])('of %j and %j is a %s', async (one, other, outcome) => {
    expect(await outcomeOf([amount], { amount: one }, { data: { amount: other } })).toMatchObject({
      outcome,
    });
  });

  test.each([
    [{ number: 0.5 }, 10, 10.5, 'match'],
    [{ number: 0.5 }, 10, 10.6, 'mismatch'],
    [{ number: 0.5 }, '10', 10, 'mismatch'],
    [{ number: 0.5 }, 'ten', 'ten', 'match'],
    [{ number: 0.5 }, 'ten', 'nine', 'mismatch'],
    [{ timeMs: 1_000 }, '2024-01-01T00:00:00Z', '2024-01-01T01:00:00.900+01:00', 'match'],
    [{ timeMs: 1_000 }, '2024-01-01T00:00:00Z', '2024-01-01T00:00:01.100Z', 'mismatch'],
    [{ timeMs: 1_000 }, '2024-01-01T00:00:00Z', null, 'mismatch'],
  ])('with tolerance %j of %j and %j is a %s', async (tolerance, one, other, outcome) => {
    const result = await outcomeOf([{ ...amount, tolerance }], { amount: one }, { data: { amount: other } });
    expect(result).toMatchObject({ outcome });
  });

  test('that is redacted is compared, and never shown', async () => {
    const result = await outcomeOf([amount], { amount: 'secret-1' }, { data: { amount: 'secret-2' } }, [
      'data',
    ]);
    expect(result.outcome).toBe('mismatch');
    expect(result.says).toContain('amount is (redacted) by HTTP and (redacted) in the event');
  });

  test('with an e-mail address in it is shown without', async () => {
    const result = await outcomeOf(
      [amount],
      { amount: 'no answer for budi@example.com' },
      { data: { amount: 'x' } },
    );
    expect(result.says).toContain('"no answer for ***@example.com"');
  });
});

describe('an event', () => {
  const mapping = compileMapping(mappingOf([]), topology);

  test.each([
    ['shop', 'order.paid', 1],
    ['shop', 'order.paid.twice', 0],
    ['direct', 'order.paid', 1],
    ['direct', 'order.*', 0],
    ['all', 'whatever', 1],
    ['', 'billing', 1],
    ['', 'other', 0],
    ['elsewhere', 'order.paid', 0],
  ])('on exchange "%s" with key "%s" reaches %i consumer', (name, key, reached) => {
    expect(mapping.receivers(name, key, 'order.paid').reached).toHaveLength(reached);
    expect(mapping.receivers(name, key, 'order.paid').unrouted).toHaveLength(1 - reached);
  });

  test('of a type without a leg is a stranger to the consumers that it reaches', () => {
    expect(mapping.receivers('shop', 'order.lost', 'order.lost')).toMatchObject({
      reached: [],
      strangers: 1,
    });
  });
});

describe('a mapping', () => {
  test('that cannot be is refused, with what is wrong where', () => {
    const leg = SHADOW.legs[0];
    expect(() => parseShadowMapping({ legs: [leg, leg], redakt: [] })).toThrow(
      expect.objectContaining({
        code: 'config-invalid',
        issues: expect.arrayContaining([expect.objectContaining({ path: '' })]),
      }),
    );
    expect(() => parseShadowMapping({ legs: [leg, { ...leg, consumer: 'other' }] })).toThrow(
      expect.objectContaining({
        issues: [
          { path: 'legs.1', message: 'POST /notifications/analysis-complete is the callback of two legs' },
        ],
      }),
    );
  });

  test('of ATMA names every stratum, and is data that survives JSON', () => {
    expect(MAPPING.legs.map(({ eventType, consumer }) => `${eventType} × ${consumer}`)).toEqual([
      'analysis.completed × notification',
      'analysis.failed × notification',
      'analysis.completed × assessment',
      'analysis.failed × assessment',
      'analysis.started × notification',
      'analysis.started × assessment',
    ]);
    const copy = JSON.parse(JSON.stringify(SHADOW));
    expect(compileMapping(copy, TOPOLOGY).digest).toBe(MAPPING.digest);
  });
});
