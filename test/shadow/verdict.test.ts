import { describe, expect, test } from 'vitest';
import type { ReasonCode } from '../../src/shadow/reasons.js';
import { isSafe, isUnsafe, sharesOf } from '../../src/shadow/sequential-test.js';
import type { StratumCounts } from '../../src/shadow/strata.js';
import { type Judgement, judge } from '../../src/shadow/verdict.js';
import { seeded } from '../transports/routing-cases.js';

const NOON = Date.UTC(2025, 5, 1, 12);
const WAIVER = { who: 'Ana', when: '2025-06-01', why: 'three a month' };
const SAFE = { legs: 3_327 };

describe('the verdict', () => {
  test('is SAFE when every stratum has shown it, with a reason for each', () => {
    const judged = of(stratum(SAFE), stratum({ ...SAFE, consumer: 'assessment' }));
    expect(judged).toMatchObject({ verdict: 'SAFE', safeInMs: 0 });
    expect(judged.reasons.map(({ stratum: name, code }) => [name, code])).toEqual([
      ['analysis.completed × notification', 'shown'],
      ['analysis.completed × assessment', 'shown'],
    ]);
    expect(judged.reasons[0]?.text).toBe(
      '0 of 3,327 legs bad (95 % interval 0 % to 0.11 %). ' +
        'Were 0.1 % of them bad, at most 5 % of runs would ever look this good.',
    );
  });

  test('is INCONCLUSIVE one leg earlier, and says how many are needed and when', () => {
    const judged = of(stratum(SAFE), stratum({ consumer: 'assessment', legs: 3_000, legsPerHour: 109 }));
    expect(judged.verdict).toBe('INCONCLUSIVE');
    expect(judged.reasons[0]).toEqual({
      stratum: 'analysis.completed × assessment',
      code: 'more-legs-needed',
      text: '0 of 3,000 legs bad (95 % interval 0 % to 0.12 %). 327 more clean legs are needed, about 3 hours at the present 109 per hour.',
    });
    expect(judged.strata[1]).toMatchObject({
      legs: 3_000,
      bad: 0,
      neededCleanLegs: 327,
      neededMs: 3 * 3_600_000,
    });
    expect(judged.safeInMs).toBe(3 * 3_600_000);
  });

  test('is SAFE as late as the slowest stratum is', () => {
    const judged = of(
      stratum({ legs: 3_000, legsPerHour: 327 }),
      stratum({ legs: 3_000, legsPerHour: 32.7, consumer: 'assessment' }),
    );
    expect(judged.safeInMs).toBe(10 * 3_600_000);
    expect(
      of(stratum({ legs: 1, legsPerHour: 9 }), stratum({ legs: 1, legsPerHour: null })).safeInMs,
    ).toBeNull();
    expect(of(stratum({ legs: 1, legsPerHour: 0 })).safeInMs).toBeNull();
  });

  test('is UNSAFE when one stratum has too many bad legs, whatever the others show', () => {
    const judged = of(
      stratum({ legs: 1_000_000 }),
      stratum({ legs: 1_000, bad: 12, consumer: 'assessment' }),
    );
    expect(judged).toMatchObject({ verdict: 'UNSAFE', safeInMs: null });
    expect(judged.reasons[0]).toMatchObject({
      stratum: 'analysis.completed × assessment',
      code: 'too-many-bad',
    });
    expect(judged.reasons[0]?.text).toContain('12 of 1,000 legs bad (1.2 %, 95 % interval 0.62 % to 2.1 %)');
    expect(judged.reasons[0]?.text).toContain('0.1 % is no longer tolerated, 0.01 % is aimed for');
  });

  test('is UNSAFE at once when both paths applied one fact, in a waived stratum, too', () => {
    for (const waiver of [undefined, WAIVER]) {
      const judged = of(stratum(SAFE), stratum({ ...SAFE, bothApplied: 1, ...(waiver && { waiver }) }));
      expect(judged).toMatchObject({ verdict: 'UNSAFE', safeInMs: null });
      expect(judged.reasons[0]?.code).toBe('both-applied');
      expect(judged.reasons[0]?.text).toContain('Both paths applied 1 fact:');
    }
  });

  test.each<[string, Partial<StratumCounts>, ReasonCode, string]>([
    ['no traffic', {}, 'no-traffic', 'No leg has closed yet. 3,327 more clean legs are needed'],
    ['open legs only', { pending: 2 }, 'no-traffic', 'No leg has closed yet (2 open).'],
    ['refused callbacks only', { unjudged: 900 }, 'no-evidence', '900 legs closed, and none is evidence'],
  ])('is never SAFE with %s in a stratum', (_, counts, code, text) => {
    const judged = of(stratum(SAFE), stratum({ consumer: 'assessment', ...counts }));
    expect(judged.verdict).toBe('INCONCLUSIVE');
    expect(judged.reasons[0]).toMatchObject({ stratum: 'analysis.completed × assessment', code });
    expect(judged.reasons[0]?.text).toContain(text);
    expect(judged.strata[1]?.neededCleanLegs).toBe(3_327);
  });

  test('is SAFE without traffic in a stratum that someone waived, and says who, when and why', () => {
    const judged = of(stratum(SAFE), stratum({ consumer: 'assessment', waiver: WAIVER }));
    expect(judged).toMatchObject({ verdict: 'SAFE', safeInMs: 0 });
    expect(judged.reasons[1]).toEqual({
      stratum: 'analysis.completed × assessment',
      code: 'waived',
      text: 'Waived by Ana on 2025-06-01: three a month. No leg so far.',
    });
  });

  test('is UNSAFE in a waived stratum that proves it: waivers excuse a lack of evidence only', () => {
    expect(of(stratum(SAFE), stratum({ legs: 5, bad: 5, waiver: WAIVER })).verdict).toBe('UNSAFE');
    expect(of(stratum(SAFE), stratum({ legs: 5, bad: 1, waiver: WAIVER })).verdict).toBe('SAFE');
  });

  test('is never SAFE when nothing is shown at all', () => {
    expect(codes(of())).toEqual(['INCONCLUSIVE', 'nothing-to-judge']);
    expect(codes(of(stratum({ waiver: WAIVER })))).toEqual(['INCONCLUSIVE', 'all-waived', 'waived']);
    expect(of(stratum({ waiver: WAIVER })).safeInMs).toBeNull();
  });

  test('is INCONCLUSIVE after a gap, with one reason for each source', () => {
    const judged = judge({
      strata: [stratum(SAFE)],
      gaps: [
        { source: 'tap of notification', from: NOON, to: NOON + 5_000 },
        { source: 'proxy', from: NOON, to: null },
        { source: 'tap of notification', from: NOON + 60_000, to: NOON + 65_000 },
      ],
      stalled: [],
    });
    expect(codes(judged)).toEqual(['INCONCLUSIVE', 'gap', 'gap', 'shown']);
    expect(judged.safeInMs).toBeNull();
    expect(judged.reasons[0]).toMatchObject({ stratum: null });
    expect(judged.reasons[0]?.text).toContain(
      'tap of notification may have missed something 2 times, last from 2025-06-01T12:01:00Z to 2025-06-01T12:01:05Z.',
    );
    expect(judged.reasons[1]?.text).toContain(
      'proxy may have missed something 1 time, last from 2025-06-01T12:00:00Z and lasts.',
    );
  });

  test('is INCONCLUSIVE while a source is stalled, and names it', () => {
    const stalled = [
      { source: 'tap of assessment', since: NOON },
      { source: 'spool', since: null },
    ];
    const judged = judge({ strata: [stratum(SAFE)], gaps: [], stalled });
    expect(codes(judged)).toEqual(['INCONCLUSIVE', 'stalled', 'stalled', 'shown']);
    expect(judged.safeInMs).toBeNull();
    expect(judged.reasons[0]?.text).toContain(
      'tap of assessment has told nothing since 2025-06-01T12:00:00Z, so legs stay open.',
    );
    expect(judged.reasons[1]?.text).toContain('spool has told nothing yet, so legs stay open.');
  });

  test('stays UNSAFE through gaps and stalled sources', () => {
    const judged = judge({
      strata: [stratum({ legs: 100, bad: 50 })],
      gaps: [{ source: 'proxy', from: NOON, to: NOON }],
      stalled: [{ source: 'proxy', since: NOON }],
    });
    expect(codes(judged)).toEqual(['UNSAFE', 'too-many-bad', 'gap', 'stalled']);
  });

  test('lets a rare stratum have a p0 of its own, and aims for a tenth of it', () => {
    const judged = of(
      stratum({ legs: 65, tolerated: 0.05 }),
      stratum({ legs: 64, tolerated: 0.05, consumer: 'b' }),
    );
    expect(judged.strata).toMatchObject([
      { tolerated: 0.05, aimed: 0.005, finding: 'safe', neededCleanLegs: 0 },
      { tolerated: 0.05, aimed: 0.005, finding: 'open', neededCleanLegs: 1 },
    ]);
  });

  test('advises a p0 or a waiver when waiting is no plan', () => {
    expect(of(stratum({ legs: 10, legsPerHour: 1 })).reasons[0]?.text).toContain('waiver (who, when, why)');
    expect(of(stratum({ legs: 10, legsPerHour: 1_000 })).reasons[0]?.text).not.toContain('waiver');
  });
});

describe('latency', () => {
  const latency = { legs: 3_327, bad: 0, legsPerHour: 100, budgetMs: 2_000 };

  test('has to be shown for SAFE as well', () => {
    expect(codes(of(stratum({ ...SAFE, latency })))).toEqual(['SAFE', 'shown', 'shown-timely']);
    const judged = of(stratum({ ...SAFE, latency: { ...latency, bad: 1 } }));
    expect(codes(judged)).toEqual(['INCONCLUSIVE', 'more-timely-legs-needed', 'shown']);
    expect(judged.strata[0]?.latency).toMatchObject({
      legs: 3_327,
      bad: 1,
      budgetMs: 2_000,
      neededCleanLegs: 2_558,
    });
    expect(judged.safeInMs).toBe((2_558 / 100) * 3_600_000);
    expect(judged.reasons[0]?.text).toContain(
      '1 of 3,327 events came more than 2 s after their callbacks (0.03 %,',
    );
  });

  test('is waited for while nothing tells', () => {
    const judged = of(stratum({ ...SAFE, latency: { ...latency, legs: 0 } }));
    expect(codes(judged)).toEqual(['INCONCLUSIVE', 'more-timely-legs-needed', 'shown']);
    expect(judged.reasons[0]?.text).toContain(
      'No leg yet that tells whether events come more than 2 s after their callbacks',
    );
  });

  test('alone can make it UNSAFE', () => {
    const judged = of(stratum({ ...SAFE, latency: { ...latency, bad: 40 } }));
    expect(codes(judged)).toEqual(['UNSAFE', 'too-many-late', 'shown']);
  });

  test('is waived with its stratum', () => {
    const waived = stratum({ consumer: 'b', latency: { ...latency, legs: 3 }, waiver: WAIVER });
    expect(codes(of(stratum(SAFE), waived))).toEqual(['SAFE', 'shown', 'waived']);
  });

  test('counts as a stratum where more strata ask for more before one is UNSAFE', () => {
    // 1/E is 99.8 here: more than m/β for four tests, less than for five.
    const bad = { legs: 4, bad: 2 };
    const others = (amount: number) =>
      Array.from({ length: amount }, (_, at) => stratum({ consumer: `c${at}` }));
    expect(of(stratum(bad), ...others(3)).verdict).toBe('UNSAFE');
    expect(of(stratum(bad), ...others(4)).verdict).toBe('INCONCLUSIVE');
    expect(of(stratum({ ...bad, latency: { ...latency, legs: 0 } }), ...others(3)).verdict).toBe(
      'INCONCLUSIVE',
    );
  });
});

describe('any counts', () => {
  const random = seeded(11);
  const runs = Array.from({ length: 400 }, () => {
    const strata = Array.from({ length: 1 + Math.floor(4 * random()) }, (_, at) => {
      const legs = Math.floor(10 ** (5 * random())) - 1;
      const bad = random() < 0.6 ? 0 : Math.min(legs, Math.floor(legs * 10 ** (-4 * random())));
      return stratum({ legs, bad, consumer: `c${at}`, ...(random() < 0.2 && { waiver: WAIVER }) });
    });
    return { strata, gaps: random() < 0.1 ? [{ source: 'proxy', from: NOON, to: null }] : [], stalled: [] };
  });

  test('give the verdict of the rule', () => {
    const seen = new Set<string>();
    for (const run of runs) {
      const m = run.strata.length;
      const judged = run.strata.filter(({ waiver }) => waiver === undefined);
      const unsafe = run.strata.some((counts) => isUnsafe(counts, sharesOf(), m));
      const safe = judged.length > 0 && judged.every((counts) => isSafe(counts, sharesOf()));
      const wanted = unsafe ? 'UNSAFE' : safe && run.gaps.length === 0 ? 'SAFE' : 'INCONCLUSIVE';
      expect(judge(run).verdict).toBe(wanted);
      seen.add(wanted);
    }
    expect([...seen].sort()).toEqual(['INCONCLUSIVE', 'SAFE', 'UNSAFE']);
  });

  test('give reasons, numbers that JSON can hold, and strata in their order', () => {
    for (const run of runs) {
      const judged = judge(run);
      expect(judged.reasons.length).toBeGreaterThan(0);
      expect(JSON.parse(JSON.stringify(judged))).toEqual(judged);
      expect(judged.strata.map(({ consumer }) => consumer)).toEqual(
        run.strata.map(({ consumer }) => consumer),
      );
      for (const { text } of judged.reasons) expect(text).toMatch(/^\S.*[.]$/);
    }
  });

  test('become SAFE with the clean legs that are said to be needed, unless something else is in the way', () => {
    const open = runs.filter((run) => judge(run).safeInMs !== null);
    expect(open.length).toBeGreaterThan(50);
    for (const run of open) {
      const { strata } = judge(run);
      const later = strata.map((result, at) => ({
        ...stratum(run.strata[at]),
        legs: result.legs + result.neededCleanLegs,
      }));
      expect(judge({ ...run, strata: later }).verdict).toBe('SAFE');
    }
  });

  test('that cannot be are refused', () => {
    expect(() => of(stratum({ legs: 1, bad: 2 }))).toThrow(RangeError);
    expect(() => of(stratum({ legs: Number.NaN }))).toThrow(RangeError);
    expect(() => of(stratum({ tolerated: 1 }))).toThrow(RangeError);
  });
});

function stratum(counts: Partial<StratumCounts> = {}): StratumCounts {
  const nothing = { legs: 0, bad: 0, legsPerHour: 100, unjudged: 0, pending: 0, bothApplied: 0 };
  return { eventType: 'analysis.completed', consumer: 'notification', ...nothing, ...counts };
}

function of(...strata: StratumCounts[]): Judgement {
  return judge({ strata, gaps: [], stalled: [] });
}

function codes({ verdict, reasons }: Judgement): string[] {
  return [verdict, ...reasons.map(({ code }) => code)];
}
