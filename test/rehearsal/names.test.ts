import { describe, expect, it } from 'vitest';
import { exchange, queue } from '../../src/core/topology/model.js';
import type { Survey } from '../../src/core/transport.js';
import { atma } from '../../src/presets/atma.js';
import { deadLettersOf, namesOf, removals, workingQueues } from '../../src/rehearsal/names.js';

const PREFIX = 'rehearsal_0a1b2c3d_';
const names = namesOf(PREFIX);
const { topology } = atma.build(names.environment);
const described = (name: string) => ({ ...queue(name), ready: 0, consumers: 0 });

describe('the names of a rehearsal', () => {
  it('on a broker of its own are those of ATMA', () => {
    expect(workingQueues(namesOf(''))).toEqual([
      ...['assessment_analysis', 'analysis_events_notifications', 'analysis_events_assessments'],
    ]);
  });

  it('are the ones that the preset makes of its environment', () => {
    expect(topology.queues.map(({ name }) => name)).toEqual([
      ...[names.notifications, names.assessments],
      ...[deadLettersOf(names.notifications), deadLettersOf(names.assessments)],
    ]);
    expect(topology.exchanges.map(({ name }) => name)).toEqual([names.exchange, names.deadLetterExchange]);
  });
});

describe('what is removed from a shared broker', () => {
  it('is known without asking it: queues, dead-letter queues, delay queues, exchanges', () => {
    const { queues, exchanges } = removals(names, topology, {
      state: 'unknown',
      reason: 'no management API',
    });
    expect(queues).toHaveLength(3 + 3 + 3 * 5);
    expect(queues).toContain(`${PREFIX}assessment_analysis.retry.4800`);
    expect(exchanges.toSorted()).toEqual([
      ...[`${PREFIX}atma_events_exchange`, `${PREFIX}atma_events_exchange_dlx`, `${PREFIX}atma_exchange`],
    ]);
  });

  it('is never what does not begin with the prefix, whatever the broker has', () => {
    const survey: Survey = {
      state: 'known',
      exchanges: [exchange('atma_events_exchange', 'topic'), exchange(`${PREFIX}x`, 'topic')],
      queues: ['analysis_events_notifications', 'rehearsal_ffffffff_q', `${PREFIX}left`].map(described),
      bindings: [],
    };
    const { queues, exchanges } = removals(names, topology, survey);
    expect([...queues, ...exchanges].filter((name) => !name.startsWith(PREFIX))).toEqual([]);
    expect(queues).toContain(`${PREFIX}left`);
    expect(exchanges).toContain(`${PREFIX}x`);
  });

  it('is nothing at all without a prefix', () => {
    const none = { state: 'unknown', reason: '' } as const;
    expect(() => removals(namesOf(''), atma.build({}).topology, none)).toThrow(RangeError);
    expect(() => namesOf('rehearsal_')).toThrow(RangeError);
  });
});
