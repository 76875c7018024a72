import { describe, expect, it } from 'vitest';
import { bind, type ExchangeType, exchange, queue, type Topology } from '../../src/core/topology/model.js';
import { deadLetterQueuesIn } from '../../src/dead-letters/queue-kinds.js';
import { atma } from '../../src/presets/atma.js';

const dead = (to: string, key?: string) => ({
  'x-dead-letter-exchange': to,
  ...(key !== undefined && { 'x-dead-letter-routing-key': key }),
});
const found = (topology: Partial<Topology>) =>
  deadLetterQueuesIn({ exchanges: [], queues: [], bindings: [], ...topology });

describe('a dead-letter queue is', () => {
  it('where the dead letters of a queue lead to, by the default exchange or by a binding', () => {
    const queues = [
      queue('work', dead('', 'graveyard')),
      queue('jobs', dead('dlx', 'jobs')),
      ...['graveyard', 'attic', 'other'].map((name) => queue(name)),
    ];
    const bindings = [...bind('dlx', 'attic', 'jobs'), ...bind('dlx', 'other', 'else')];
    expect(found({ exchanges: [exchange('dlx', 'direct')], queues, bindings })).toEqual([
      'graveyard',
      'attic',
    ]);
  });

  it('both of the ATMA topology, under whatever names', () => {
    const names = { EVENTS_QUEUE_NAME_NOTIFICATIONS: 'qn', EVENTS_QUEUE_NAME_ASSESSMENTS: 'qa' };
    expect(deadLetterQueuesIn(atma.build(names).topology)).toEqual(['qn_dlq', 'qa_dlq']);
  });

  it('on the exchange it shares with its work queue, only the one behind the key', () => {
    const queues = [
      queue('assessment_analysis', dead('atma_exchange', 'dlq')),
      queue('boneyard'),
      queue('peer'),
    ];
    const bindings = [
      ...bind('atma_exchange', 'assessment_analysis', 'analysis.process'),
      ...bind('atma_exchange', 'peer', 'analysis.other'),
      ...bind('atma_exchange', 'boneyard', 'dlq'),
    ];
    expect(found({ exchanges: [exchange('atma_exchange', 'direct')], queues, bindings })).toEqual([
      'boneyard',
    ]);
  });

  it.each<[ExchangeType, string, string, boolean]>([
    ['direct', 'a.b', 'a.b', true],
    ['direct', 'a.b', 'a.c', false],
    ['topic', 'a.b', 'a.*', true],
    ['topic', 'a.*', '*.b', true],
    ['topic', 'a.#', '#.z', true],
    ['topic', '#', '#', true],
    ['topic', 'a.*', 'b.#', false],
    ['topic', 'a.b', 'a.b.c', false],
    ['topic', 'a.*', 'a', false],
    ['topic', 'a.#', 'a', true],
    ['topic', 'work', 'work', true],
    ['fanout', 'a.b', 'z', true],
  ])('without a key of its own, what a %s exchange may give: %s for %s is %s', (type, into, out, is) => {
    const queues = [queue('work', dead('dlx')), queue('target')];
    const bindings = [...bind('events', 'work', into), ...bind('dlx', 'target', out)];
    const exchanges = [exchange('events', 'topic'), exchange('dlx', type)];
    expect(found({ exchanges, queues, bindings })).toEqual(is ? ['target'] : []);
  });

  it('told in no time for patterns that have very many ways to match', () => {
    const many = Array(30).fill('#.x').join('.');
    const queues = [queue('work', dead('dlx')), queue('target')];
    const bindings = [...bind('events', 'work', many), ...bind('dlx', 'target', `${many}.y`)];
    const exchanges = [exchange('events', 'topic'), exchange('dlx', 'topic')];
    const start = performance.now();
    expect(found({ exchanges, queues, bindings })).toEqual([]);
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  it.each([
    ['orders_dlq', true],
    ['orders.DLQ', true],
    ['dlq', true],
    ['orders-dead-letters', true],
    ['orders.deadletter', true],
    ['dead_letters', true],
    ['ordersdlq', false],
    ['dlq_orders', false],
    ['orders_dlq.retry.5000', false],
  ])('told by its name alone: %s is %s', (name, is) => {
    expect(found({ queues: [queue(name)] })).toEqual(is ? [name] : []);
  });
});

describe('no dead-letter queue is', () => {
  it('a work queue that a delay queue gives its messages back to', () => {
    const delay = queue('work.retry.5000', { 'x-message-ttl': 5000, ...dead('', 'work') });
    expect(found({ queues: [queue('work'), delay] })).toEqual([]);
  });

  it('a waiting room that gives back to the queue it got the messages from', () => {
    const wait = queue('wait', { 'x-message-ttl': 5000, ...dead('', 'work') });
    expect(found({ queues: [queue('work', dead('', 'wait')), wait] })).toEqual([]);
  });

  it('a queue that goes with its connection: a tap on the dead-letter exchange, a lock', () => {
    const queues = [
      queue('work', dead('dlx', 'k')),
      queue('tap', {}, { autoDelete: true }),
      queue('atma-events.replay-lock.orders_dlq', {}, { exclusive: true }),
    ];
    const topology = { exchanges: [exchange('dlx', 'direct')], queues, bindings: bind('dlx', 'tap', 'k') };
    expect(found(topology)).toEqual([]);
  });

  it('a queue for its own dead letters, nor one that does not exist', () => {
    expect(found({ queues: [queue('loop', dead('', 'loop')), queue('work', dead('', 'gone'))] })).toEqual([]);
    expect(found({ queues: [queue('work', dead('no-such-exchange', 'k'))] })).toEqual([]);
  });
});
