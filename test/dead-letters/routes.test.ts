import { describe, expect, it } from 'vitest';
import { bind, exchange, queue } from '../../src/core/topology/model.js';
import { reachedBy } from '../../src/dead-letters/routes.js';

const WIRING = {
  exchanges: [
    exchange('events', 'topic'),
    exchange('jobs', 'direct'),
    exchange('all', 'fanout'),
    { name: 'by-header', type: 'headers' },
  ],
  queues: ['a', 'b', 'c'].map((name) => queue(name)),
  bindings: [
    ...bind('events', 'b', 'analysis.*', '#'),
    ...bind('events', 'a', 'analysis.failed'),
    ...bind('jobs', 'c', 'analysis.*', 'process'),
    ...bind('all', 'c'),
    ...bind('by-header', 'a', 'x'),
  ],
};

describe('the queues that a message would reach', () => {
  it.each([
    ['events', 'analysis.failed', ['a', 'b']],
    ['events', 'report.printed', ['b']],
    ['jobs', 'process', ['c']],
    ['jobs', 'analysis.failed', []],
    ['all', 'whatever', ['c']],
    ['', 'a', ['a']],
    ['', 'nobody', []],
  ])('by "%s" with key %s are %j', (exchangeName, routingKey, queues) => {
    expect(reachedBy({ exchange: exchangeName, routingKey }, WIRING)).toEqual({ state: 'queues', queues });
  });

  it('are not guessed where the exchange is not there, or routes in a way of its own', () => {
    expect(reachedBy({ exchange: 'gone', routingKey: 'x' }, WIRING)).toEqual({ state: 'exchange-missing' });
    expect(reachedBy({ exchange: 'by-header', routingKey: 'x' }, WIRING)).toEqual({
      state: 'unknown',
      type: 'headers',
    });
  });
});
