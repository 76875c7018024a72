import { describe, expect, it } from 'vitest';
import { bind, exchange, queue, type Topology } from '../../../src/core/topology/model.js';
import { ABSENT, AS_DECLARED, compareQueue } from '../../../src/core/topology/observe.js';
import { planTopology } from '../../../src/core/topology/plan.js';

const topology: Topology = {
  exchanges: [exchange('events', 'topic')],
  queues: [queue('work', { 'x-message-ttl': 5000 }), queue('other')],
  bindings: bind('events', 'work', 'a.*'),
};

describe('a plan', () => {
  it('creates what is absent and keeps what is as declared', () => {
    const plan = planTopology(topology, {
      exchanges: [AS_DECLARED],
      queues: [ABSENT, AS_DECLARED],
      bindings: [ABSENT],
    });
    expect(plan.changes.map(({ action, kind, name }) => [action, kind, name])).toEqual([
      ['keep', 'exchange', 'events'],
      ['create', 'queue', 'work'],
      ['keep', 'queue', 'other'],
      ['create', 'binding', 'events -> work (a.*)'],
    ]);
    expect(plan.toApply).toEqual({
      exchanges: [],
      queues: [topology.queues[0]],
      bindings: topology.bindings,
    });
  });

  it('names every attribute of a conflict with both values', () => {
    const actual = queue('work', { 'x-message-ttl': 1000, 'x-max-length': 10 }, { durable: false });
    const found = compareQueue(topology.queues[0] ?? queue(''), actual);
    const plan = planTopology(topology, {
      exchanges: [AS_DECLARED],
      queues: [found, AS_DECLARED],
      bindings: [AS_DECLARED],
    });
    expect(plan.conflicts).toBe(1);
    expect(plan.changes[1]?.reason).toBe(
      'durable is false, expected true; x-max-length is 10, expected not set; x-message-ttl is 1000, expected 5000',
    );
  });

  it('keeps what the broker would not say, says so, and declares it again', () => {
    const plan = planTopology(topology, {
      exchanges: [AS_DECLARED],
      queues: [AS_DECLARED, AS_DECLARED],
      bindings: [{ state: 'unknown', reason: 'no management API' }],
    });
    expect(plan).toMatchObject({ creates: 0, conflicts: 0, unverified: 1 });
    expect(plan.toApply.bindings).toEqual(topology.bindings);
  });
});
