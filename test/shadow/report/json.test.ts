/** The JSON of a report is a contract: its names are typed here by hand. */
import { expect, test } from 'vitest';
import { reportDocument } from '../../../src/shadow/report/json.js';
import { everyPlant, planted } from '../scene.js';
import { createBook, generateTraffic, makeJob, mulberry32, START } from '../traffic.js';
import { judge, judgedRun } from './planted.js';

const OUTCOMES = [
  ...['match', 'mismatch', 'missingEvent', 'missingCallback', 'duplicate', 'late', 'refused', 'invalid'],
  'outOfOrder',
];

test('begins with the counts of legs, the strata and the verdict, in this order', async () => {
  const { summary, judgement } = await judgedRun(generateTraffic({ seed: 1, days: 1, jobs: 30 }));
  const document = reportDocument(summary, judgement);
  expect(Object.keys(document).slice(0, 3)).toEqual(['legs', 'strata', 'verdict']);
  expect(Object.keys(document.legs)).toEqual([
    ...['match', 'mismatch', 'missingEvent', 'missingCallback', 'extra', 'duplicate', 'late', 'refused'],
    ...['invalid', 'outOfOrder', 'pending'],
  ]);
  expect(document.strata.map((stratum) => Object.keys(stratum).slice(0, 5))).toEqual(
    Array.from({ length: 6 }, () => ['eventType', 'consumer', 'legs', 'bad', 'neededCleanLegs']),
  );
});

test('has exactly what was planted, in total and in each stratum', async () => {
  const traffic = generateTraffic({ seed: 4, days: 5, jobs: 300, faults: everyPlant(2) });
  const { summary, judgement } = await judgedRun(traffic);
  const { legs, strata, verdict } = reportDocument(summary, judgement);
  const found = strata.flatMap(({ eventType, consumer, outcomes }) =>
    Object.entries(outcomes ?? {})
      .filter(([, count]) => count > 0)
      .map(([outcome, count]) => [`${eventType} ${consumer} ${outcome}`, count]),
  );
  expect(Object.fromEntries(found)).toEqual(planted(traffic));
  const totals = OUTCOMES.map((outcome) => {
    const own = [...traffic.expected.legs].filter(([name]) => name.endsWith(` ${outcome}`));
    return [outcome, own.reduce((sum, [, count]) => sum + count, 0)];
  });
  expect(legs).toEqual({ ...Object.fromEntries(totals), extra: traffic.expected.extra, pending: 0 });
  expect(verdict).toBe('UNSAFE');
});

test('of one job holds these keys and values', async () => {
  const book = createBook();
  const job = { ...makeJob(START, mulberry32(1)), at: START + 10_000 };
  book.callback(job, 'assessment', 'completed', { at: job.at });
  book.event(job, 'completed', { at: job.at + 250, body: { plan: 'gold' } });
  book.rawCallback(job.at, { method: 'GET', path: '/health', body: {}, status: 200 });
  const { summary } = await judgedRun(book.traffic());
  const gaps = [
    { source: 'proxy', from: START, to: START + 1_000 },
    { source: 'taps', from: 0, to: null },
  ];
  const sources = [{ source: 'taps', path: 'event' as const, watermark: null, stalledSince: START }];
  const changed = { ...summary, gaps, sources, doubts: ['The disk was full.'] };
  const waiver = { who: 'Ana', when: '2024-01-01', why: 'rare' };
  const stratum = { eventType: 'analysis.failed', consumer: 'assessment', tolerated: 0.01, waiver };
  const document = reportDocument(changed, judge(changed, { strata: [stratum] }));
  expect(document).toMatchObject({
    verdict: 'INCONCLUSIVE',
    safeInMs: null,
    observations: 4,
    from: '2024-01-01T00:00:10.000Z',
    to: '2024-01-01T00:00:10.250Z',
    windowMs: 60_000,
    budgetMs: 5_000,
    extra: [{ reason: 'unknown-route', what: 'GET /health', count: 1, source: 'callbacks', line: 2 }],
    sources: [{ source: 'taps', path: 'event', watermark: null, stalledSince: '2024-01-01T00:00:00.000Z' }],
    gaps: [
      { source: 'proxy', from: '2024-01-01T00:00:00.000Z', to: '2024-01-01T00:00:01.000Z' },
      { source: 'taps', from: null, to: null },
    ],
    doubts: ['The disk was full.'],
    skew: null,
    timeline: {
      bucketMs: 15_000,
      buckets: [{ at: '2024-01-01T00:00:00.000Z', outcomes: { match: 1, missingCallback: 1 } }],
    },
  });
  expect(document.unmapped).toContainEqual({
    eventType: 'analysis.completed',
    consumer: 'assessment',
    side: 'event',
    path: 'plan',
    count: 1,
  });
  expect(document.reasons[0]).toMatchObject({
    stratum: null,
    code: expect.any(String),
    text: expect.any(String),
  });
  expect(document.findings).toMatchObject([
    {
      ...{
        outcome: 'missingCallback',
        evidence: 'none',
        eventType: 'analysis.completed',
        consumer: 'notification',
      },
      count: 1,
      says: expect.stringContaining('no callback'),
      fix: expect.stringContaining('proxy'),
      examples: [
        { job: job.jobId, attempt: 1, at: '2024-01-01T00:00:10.250Z', lines: { callback: 0, event: 1 } },
      ],
    },
  ]);
  expect(document.strata[2]).toMatchObject({
    ...{ eventType: 'analysis.completed', consumer: 'assessment', legs: 1, bad: 0, neededCleanLegs: 3_326 },
    ...{
      finding: 'open',
      tolerated: 0.001,
      aimed: 0.0001,
      unjudged: 0,
      pending: 0,
      bothApplied: 0,
      waiver: null,
    },
    outcomes: { match: 1, mismatch: 0 },
    latency: { legs: 1, bad: 0, budgetMs: 5_000, neededCleanLegs: 3_326 },
    callbackMs: { count: 1, p50: 12, p90: 12, p99: 12, max: 12 },
    lagMs: { count: 1, p50: 250, p90: 250, p99: 250, max: 250 },
  });
  expect(document.strata[3]).toMatchObject({ tolerated: 0.01, waiver });
  expect(document.strata[4]).toMatchObject({ latency: null, callbackMs: null, lagMs: null });
});

test('is plain JSON, also of a run in which nothing was seen', async () => {
  const { summary, judgement } = await judgedRun(createBook().traffic());
  const document = reportDocument(summary, judgement);
  expect(JSON.parse(JSON.stringify(document))).toEqual(document);
  expect(document).toMatchObject({
    verdict: 'INCONCLUSIVE',
    observations: 0,
    from: null,
    to: null,
    findings: [],
  });
});
