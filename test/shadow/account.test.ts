/** What is told of a run beside its counts. */
import { describe, expect, test } from 'vitest';
import { createAccount, legRow } from '../../src/shadow/account.js';
import { compareRecords } from '../../src/shadow/compare.js';
import type { Counts } from '../../src/shadow/counts.js';
import { latencySketch } from '../../src/shadow/latency.js';
import { OUTCOMES } from '../../src/shadow/leg.js';
import type { LegChange } from '../../src/shadow/matcher.js';
import type { RunSummary } from '../../src/shadow/run-summary.js';
import { createTimeline, MOST_BUCKETS } from '../../src/shadow/timeline.js';
import { createScene, everyPlant, inOrder, MAPPING, oneJob, SHADOW, TOPOLOGY } from './scene.js';
import { bytesOf, createBook, generateTraffic, makeJob, mulberry32, START } from './traffic.js';

const REST = { gaps: [], sources: [], doubts: [], windowMs: 60_000, budgetMs: 5_000, skew: null };
const TRAFFIC = generateTraffic({ seed: 6, days: 0.3, jobs: 60, faults: everyPlant(2) });

/** Told in order of time, so that late arrivals change legs that were closed. */
function changesOf(traffic = TRAFFIC) {
  const { matcher, changes, callbacks, events, advance } = createScene();
  for (const { path, line } of inOrder(traffic)) {
    (path === 'callback' ? callbacks : events)([line]);
    advance(line.at);
  }
  advance(START + 100 * 3_600_000);
  return { changes, counts: matcher.counts() };
}

const sumOver = ({ timeline }: RunSummary) =>
  Object.fromEntries(
    OUTCOMES.map((outcome) => [
      outcome,
      timeline.buckets.reduce((sum, { outcomes }) => sum + outcomes[outcome], 0),
    ]),
  );

function expectSums(changes: readonly LegChange[], counts: Counts): void {
  const account = createAccount(MAPPING);
  for (const change of changes) account.take(change);
  const summary = account.summary({ ...REST, counts });
  const { extra: _, pending, ...totals } = counts.totals;
  expect(pending).toBe(0);
  expect(sumOver(summary)).toEqual(totals);
  const found = summary.findings.reduce((sum, { count }) => sum + count, 0);
  expect(found).toBe(OUTCOMES.reduce((sum, each) => sum + (each === 'match' ? 0 : totals[each]), 0));
}

describe('an account', () => {
  test('adds up to the counts, also when legs are judged anew', () => {
    const { changes, counts } = changesOf();
    expect(changes.some(({ kind }) => kind === 'reclassified')).toBe(true);
    expectSums(changes, counts);
  });

  test('adds up to the counts when a leg turns out to be part of another', () => {
    const { matcher, changes, callbacks, events, advance } = createScene();
    const book = createBook();
    const job = makeJob(START, mulberry32(1));
    const other = makeJob(START + 50_000, mulberry32(2));
    // Begun anew only as long as nobody tells of the outcome in between, which leaves no window between the two.
    for (const ms of [0, 80_000]) book.callback(job, 'assessment', 'failed', { at: job.at + ms });
    book.started(job, { at: job.at + 70_000 });
    book.callback(other, 'assessment', 'failed');
    const traffic = book.traffic();
    callbacks(traffic.callbacks);
    events(traffic.events);
    advance(job.at + 600_000);
    const late = createBook();
    late.callback(job, 'assessment', 'failed', { at: job.at + 40_000 });
    callbacks(late.traffic().callbacks);
    expect(changes.map(({ kind }) => kind)).toContain('withdrawn');
    expectSums(changes, matcher.counts());
  });

  test('keeps the times of both paths for every leg that has a callback, once each', () => {
    const { changes, counts } = changesOf(generateTraffic({ seed: 7, days: 0.2, jobs: 40 }));
    const account = createAccount(MAPPING);
    for (const change of changes) account.take(change);
    const { latencies } = account.summary({ ...REST, counts });
    expect(latencies.map(({ eventType, consumer }) => `${eventType} ${consumer}`)).toEqual([
      'analysis.completed notification',
      'analysis.failed notification',
      'analysis.completed assessment',
      'analysis.failed assessment',
    ]);
    for (const { eventType, consumer, callback, lag } of latencies) {
      const tally = counts.strata.find((each) => each.eventType === eventType && each.consumer === consumer);
      expect(latencySketch(lag).count).toBe(tally?.latency?.legs);
      expect(latencySketch(callback).count).toBe(tally?.latency?.legs);
      expect(callback).toMatchObject({ min: 12, max: 12 });
    }
    expect(account.lags.count).toBe(80);
  });

  test('counts the times of a leg once, though it is judged anew', () => {
    const { matcher, changes, callbacks, events, advance } = createScene();
    const traffic = oneJob();
    callbacks(traffic.callbacks);
    events(traffic.events);
    advance(START + 10 * 60_000);
    events(traffic.events);
    expect(changes.map(({ kind }) => kind)).toEqual(['closed', 'closed', 'reclassified', 'reclassified']);
    const account = createAccount(MAPPING);
    for (const change of changes) account.take(change);
    const { latencies } = account.summary({ ...REST, counts: matcher.counts() });
    const counts = latencies.map(({ lag, callback }) => [
      latencySketch(lag).count,
      latencySketch(callback).count,
    ]);
    expect(counts).toEqual([
      [1, 1],
      [0, 0],
      [1, 1],
      [0, 0],
    ]);
    expect(account.lags.count).toBe(2);
  });

  test('takes the lag of an event that comes after its leg was closed, and not for the window', () => {
    const { changes, counts } = changesOf(
      generateTraffic({ seed: 7, days: 0.5, jobs: 200, faults: { 'an event after the leg was closed': 1 } }),
    );
    const account = createAccount(MAPPING);
    for (const change of changes) account.take(change);
    const lags = account.summary({ ...REST, counts }).latencies.map(({ lag }) => lag.max);
    expect(Math.max(...lags.filter((max) => max !== null))).toBeGreaterThan(19 * 60_000);
    expect(account.lags.max).toBeLessThan(60_000);
  });

  test('goes on from what was stored as if there had been no end', () => {
    const { changes, counts } = changesOf();
    const whole = createAccount(MAPPING);
    let parts = createAccount(MAPPING);
    for (const [index, change] of changes.entries()) {
      const at = START + index;
      for (const account of [whole, parts]) {
        account.take(change);
        account.observed(2, at);
        account.unmapped.add({ eventType: 'a', consumer: 'b' }, 'event', `path${index % 3}`);
      }
      // Between two changes of one job, even.
      if (index % 41 === 0) parts = createAccount(MAPPING, JSON.parse(JSON.stringify(parts.store())));
    }
    const summary = whole.summary({ ...REST, counts });
    expect(parts.summary({ ...REST, counts })).toEqual(summary);
    expect(summary).toMatchObject({
      observations: changes.length * 2,
      from: START,
      to: START + changes.length - 1,
    });
    expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
  });

  test('of nothing is a summary, too', () => {
    const { counts } = changesOf(createBook().traffic());
    const summary = createAccount(MAPPING).summary({ ...REST, counts });
    expect(summary).toMatchObject({ observations: 0, from: null, to: null, findings: [], unmapped: [] });
    expect(summary.timeline.buckets).toEqual([]);
  });

  test.each([
    ['nothing', {}],
    ['a text', 'text'],
    ['a time in words', { ...storeOfNothing(), from: 'yesterday' }],
    ['null', null],
  ])('does not go on from what it did not store: %s', (_, stored) => {
    expect(() => createAccount(MAPPING, stored)).toThrow(
      expect.objectContaining({ code: 'storage', hint: expect.stringContaining('start a new run') }),
    );
  });
});

function storeOfNothing(): object {
  return createAccount(MAPPING).store() as object;
}

describe('a timeline', () => {
  test('of ten years has no more buckets than one of an hour may have, and loses nothing', () => {
    const timeline = createTimeline();
    for (let day = 0; day < 3_650; day++) {
      for (const hour of [1, 2, 3]) timeline.add(START + day * 86_400_000 + hour * 3_600_000, 'match');
    }
    const { buckets, bucketMs } = timeline.toJSON();
    expect(buckets.length).toBeLessThanOrEqual(MOST_BUCKETS);
    expect(buckets.reduce((sum, { outcomes }) => sum + outcomes.match, 0)).toBe(3 * 3_650);
    expect(buckets.every(({ at }) => at % bucketMs === 0)).toBe(true);
    expect(buckets.map(({ at }) => at)).toEqual(buckets.map(({ at }) => at).toSorted((a, b) => a - b));
  });

  test('takes back from the nearest bucket that has such a leg', () => {
    const timeline = createTimeline();
    timeline.add(START, 'late');
    timeline.add(START + 600_000, 'late');
    timeline.remove(START + 500_000, 'late');
    timeline.remove(START, 'match');
    expect(timeline.toJSON().buckets.map(({ at }) => at)).toEqual([START]);
  });
});

describe('a row of the list', () => {
  test('tells of a mismatch what either side said, where it is, and what to do', () => {
    const book = createBook();
    const job = makeJob(START, mulberry32(1));
    book.callback(job, 'notification', 'completed');
    book.event(job, 'completed', { body: { userId: 'somebody@example.com' } });
    const { changes } = changesOf(book.traffic());
    const rows = changes.map((change) => legRow(MAPPING, change)).filter((row) => row !== undefined);
    expect(rows.find(({ consumer }) => consumer === 'notification')).toEqual({
      key: changes.find((change) => change.key.includes('notification'))?.key,
      at: expect.any(Number),
      eventType: 'analysis.completed',
      consumer: 'notification',
      job: job.jobId,
      attempt: 1,
      outcome: 'mismatch',
      evidence: 'bad',
      says: expect.stringContaining('userId is'),
      todo: expect.stringContaining('Let the sender fill userId'),
      fields: [{ field: 'userId', callback: `"${job.userId}"`, event: '"***@example.com"' }],
      lines: { callback: 0, event: 0 },
    });
  });

  test('is none for a match, nor for a leg that is part of another', () => {
    const { changes } = changesOf();
    const none = changes.filter((change) => legRow(MAPPING, change) === undefined);
    const isNone = (change: LegChange) => change.kind === 'withdrawn' || change.leg.outcome === 'match';
    expect(none).toEqual(changes.filter(isNone));
  });

  test('is kept by a comparison for the first thousand legs, and for those that still do not match', async () => {
    const traffic = generateTraffic({
      seed: 8,
      days: 3,
      jobs: 20,
      faults: { 'no event': 700, 'an event well before its callback': 40 },
    });
    const { legRows, legCount, summary } = await compareRecords({
      mapping: SHADOW,
      topology: TOPOLOGY,
      callbacks: bytesOf(traffic.callbacks),
      events: bytesOf(traffic.events),
      windowMs: () => 10_000,
    });
    // The others did not match when they closed, and did when their callback came.
    expect(summary.counts.totals).toMatchObject({ missingEvent: 1_400, missingCallback: 0 });
    expect(legCount).toBe(1_400);
    expect(legRows).toHaveLength(1_000);
    expect(new Set(legRows.map(({ key }) => key)).size).toBe(1_000);
    expect(legRows.map(({ at }) => at)).toEqual(legRows.map(({ at }) => at).toSorted((a, b) => a - b));
    expect(new Set(legRows.map(({ outcome }) => outcome))).toEqual(new Set(['missingEvent']));
  });
});
