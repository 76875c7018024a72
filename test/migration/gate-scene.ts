/** Facts of a move whose gate is open, to be spoilt one by one. */
import type { ShadowPolicy } from '../../src/core/shadow-policy.js';
import type { Evidence } from '../../src/migration/evidence.js';
import type { GateFacts } from '../../src/migration/gate.js';
import type { QueueLook } from '../../src/migration/queue-look.js';

export const NOW = Date.parse('2026-03-01T12:00:00.000Z');
export const MAPPING = 'mapping';
export const PRESENT = 'hash of the present file';

export function goodEvidence(more: Partial<Evidence> = {}): Evidence {
  return {
    verdict: 'SAFE',
    mapping: MAPPING,
    flag: PRESENT,
    flags: [PRESENT],
    startedAt: '2026-02-01T12:00:00.000Z',
    savedAt: '2026-03-01T11:59:58.000Z',
    state: 'running',
    source: '/srv/shadow.db',
    kind: 'store',
    legs: 20_000,
    bad: 1,
    ...more,
  };
}

export const GOOD_QUEUES: QueueLook = {
  bound: [
    { queue: 'assessments', exists: true, consumers: 2, ready: 0 },
    { queue: 'notifications', exists: true, consumers: 1, ready: 5 },
  ],
  deadLetters: [
    { queue: 'assessments_dlq', messages: 0 },
    { queue: 'notifications_dlq', messages: 0 },
  ],
};

export function goodFacts(more: Partial<GateFacts> = {}): GateFacts {
  return {
    from: { stage: 'shadow', percent: 100 },
    to: { stage: 'live', percent: 5 },
    reason: 'a week without a difference',
    forced: false,
    verdict: verdictFacts(),
    queues: { known: true, value: GOOD_QUEUES },
    ...more,
  };
}

export function verdictFacts(
  evidence: Partial<Evidence> = {},
  more: Partial<NonNullable<GateFacts['verdict']>> = {},
): NonNullable<GateFacts['verdict']> {
  return {
    evidence: { known: true, value: goodEvidence(evidence) },
    mapping: MAPPING,
    flags: [PRESENT],
    flagFile: '/srv/flags.json',
    maxAgeMs: 3_600_000,
    now: NOW,
    ...more,
  };
}

/** Some five good legs in a stratum are enough. */
export const EASY_POLICY: ShadowPolicy = {
  budgetMs: 60_000,
  strata: ['completed', 'failed', 'started'].flatMap((type) =>
    ['notification', 'assessment'].map((consumer) => ({
      eventType: `analysis.${type}`,
      consumer,
      tolerated: 0.5,
    })),
  ),
};
