/** From the summary of a run to its verdict. */
import { describe, expect, test } from 'vitest';
import { createAccount } from '../../src/shadow/account.js';
import { compareRecords } from '../../src/shadow/compare.js';
import { summaryAsFound } from '../../src/shadow/found-run.js';
import { judgeRun } from '../../src/shadow/judge-run.js';
import { type ShadowPolicy, withBudget } from '../../src/shadow/policy.js';
import type { RunSummary } from '../../src/shadow/run-summary.js';
import { MAPPING, SHADOW, TOPOLOGY } from './scene.js';
import { bytesOf, generateTraffic, START } from './traffic.js';

const NO_POLICY: ShadowPolicy = { strata: [] };

const HOUR = 3_600_000;

async function summaryOf(options: { budgetMs?: number } = {}): Promise<RunSummary> {
  const { callbacks, events } = generateTraffic({ seed: 6, days: 1, jobs: 240 });
  const { summary } = await compareRecords({
    mapping: SHADOW,
    topology: TOPOLOGY,
    callbacks: bytesOf(callbacks),
    events: bytesOf(events),
    ...options,
  });
  return summary;
}

/** Every stratum has enough legs by this. */
const EASY = {
  strata: MAPPING.legs.map(({ eventType, consumer }) => ({ eventType, consumer, tolerated: 0.5 })),
};

const codesOf = (judged: { reasons: readonly { code: string }[] }) => [
  ...new Set(judged.reasons.map(({ code }) => code)),
];

describe('a run', () => {
  test('is judged in every stratum of the mapping, with or without traffic', () => {
    const empty = createAccount(MAPPING).summary({
      counts: { strata: [], totals: NO_LEGS, extra: [] },
      gaps: [],
      sources: [],
      doubts: [],
      windowMs: 60_000,
      budgetMs: 5_000,
      skew: null,
    });
    const judged = judgeRun(empty, NO_POLICY, MAPPING);
    expect(judged.verdict).toBe('INCONCLUSIVE');
    expect(judged.strata.map(({ eventType, consumer }) => [eventType, consumer])).toEqual(
      MAPPING.legs.map(({ eventType, consumer }) => [eventType, consumer]),
    );
    // Presence and order is all that there is of a beginning: nothing to be late against.
    expect(judged.strata.map(({ latency }) => latency === null)).toEqual(
      MAPPING.legs.map(({ begins }) => begins),
    );
  });

  test('has a second test of each stratum with callbacks only where it was counted by a budget', async () => {
    const without = judgeRun(await summaryOf(), withBudget(EASY, 5_000), MAPPING);
    expect(without.strata.every(({ latency }) => latency === null)).toBe(true);
    const counted = judgeRun(await summaryOf({ budgetMs: 100 }), withBudget(EASY, 5_000), MAPPING);
    expect(counted.strata[0]?.latency).toMatchObject({ budgetMs: 100 });
  });

  test('tells when it is SAFE at the pace that it had', async () => {
    const summary = await summaryOf();
    const hours = ((summary.to ?? 0) - (summary.from ?? 0)) / HOUR;
    const judged = judgeRun(summary, NO_POLICY, MAPPING);
    const started = judged.strata.find(({ eventType }) => eventType === 'analysis.started');
    expect(started).toMatchObject({ legs: 240, neededCleanLegs: 3_327 - 240, legsPerHour: 240 / hours });
    expect(started?.neededMs).toBe(Math.ceil(((3_327 - 240) / (240 / hours)) * HOUR));
  });

  test('of less than a minute has no pace', async () => {
    const summary = { ...(await summaryOf()), from: START, to: START + 59_999 };
    const judged = judgeRun(summary, NO_POLICY, MAPPING);
    expect(
      judged.strata.every(({ legsPerHour, neededMs }) => legsPerHour === null && neededMs === null),
    ).toBe(true);
  });

  test('is SAFE by shares of its own, and not with a gap, a stalled source or a doubt', async () => {
    const summary = await summaryOf({ budgetMs: 5_000 });
    expect(judgeRun(summary, EASY, MAPPING).verdict).toBe('SAFE');
    const [source] = summary.sources;
    if (source === undefined) throw new Error('no source');
    for (const [change, code] of [
      [{ gaps: [{ source: 'events', from: START, to: null }] }, 'gap'],
      [{ sources: [{ ...source, stalledSince: START }] }, 'stalled'],
      [{ doubts: ['A line could not be read.'] }, 'doubt'],
    ] as const) {
      const judged = judgeRun({ ...summary, ...change }, EASY, MAPPING);
      expect(judged.verdict).toBe('INCONCLUSIVE');
      expect(judged.safeInMs).toBeNull();
      expect(judged.reasons[0]?.code).toBe(code);
    }
  });

  test('whose gap began before anything was told says so, instead of a year', async () => {
    const gaps = [{ source: 'events', from: 0, to: START }];
    const judged = judgeRun({ ...(await summaryOf()), gaps }, EASY, MAPPING);
    expect(judged.reasons[0]?.text).toContain('last from its beginning to 2024-01-01T00:00:00Z');
  });

  test('with every stratum waived shows nothing', async () => {
    const waiver = { who: 'Rina', when: '2024-03-01', why: 'few' };
    const strata = EASY.strata.map((each) => ({ ...each, waiver }));
    const judged = judgeRun(await summaryOf(), { strata }, MAPPING);
    expect([judged.verdict, codesOf(judged)]).toEqual(['INCONCLUSIVE', ['all-waived', 'waived']]);
  });

  test('is not judged by a policy that names what its mapping lacks', async () => {
    const strata = [{ eventType: 'analysis.failed', consumer: 'assesment', tolerated: 0.5 }];
    const summary = await summaryOf();
    expect(() => judgeRun(summary, { strata }, MAPPING)).toThrowError(
      expect.objectContaining({
        code: 'config-invalid',
        message: 'shadowPolicy names "analysis.failed × assesment", which the shadow mapping lacks',
        hint: 'Did you mean "analysis.failed × assessment"?',
      }),
    );
  });
});

describe('a stored run', () => {
  const found = async (state: 'running' | 'ended' | 'stopped', ago: number) => {
    const summary = await summaryOf();
    return summaryAsFound({ state, savedAt: START, summary }, START + ago);
  };

  test('that goes on or has ended is what it says', async () => {
    for (const [state, ago] of [
      ['running', 60_000],
      ['ended', 9 * HOUR],
    ] as const) {
      expect(await found(state, ago)).toMatchObject({
        doubts: [],
        sources: [{ stalledSince: null }, { stalledSince: null }],
      });
    }
  });

  test('that was killed, or saves nothing, has stalled since it was last saved', async () => {
    for (const [state, words] of [
      ['stopped', /^The run was not ended in order: .* after 2024-01-01T00:00:00Z\./],
      ['running', /^The run goes on, but it has saved nothing since 2024-01-01T00:00:00Z/],
    ] as const) {
      const { doubts, sources } = await found(state, 60_001);
      expect(doubts).toEqual([expect.stringMatching(words)]);
      expect(sources.map(({ stalledSince }) => stalledSince)).toEqual([START, START]);
    }
  });
});

const NO_LEGS = {
  ...{ match: 0, mismatch: 0, missingEvent: 0, missingCallback: 0, duplicate: 0, late: 0 },
  ...{ refused: 0, invalid: 0, outOfOrder: 0, extra: 0, pending: 0 },
};
