import { describe, expect, test } from 'vitest';
import { OUTCOMES } from '../../src/shadow/leg.js';
import { EVERY_PLANT, PLANTS } from './plants.js';
import { createScene, everyPlant, inOrder, oneJob, planted, reportOf } from './scene.js';
import { CONSUMERS, createBook, generateTraffic, makeJob, mulberry32, START } from './traffic.js';

const HOUR = 3_600_000;

describe('closing', () => {
  test('a leg waits for the slowest source, and is pending until then', () => {
    const { matcher, callbacks, events } = createScene();
    const traffic = oneJob();
    callbacks(traffic.callbacks);
    events(traffic.events);
    matcher.advance('proxy', START + HOUR);
    expect(matcher.counts().totals).toMatchObject({ match: 0, pending: 2 });
    matcher.advance('taps', START + HOUR);
    expect(matcher.counts().totals).toMatchObject({ match: 2, pending: 0 });
  });

  test('a stalled source keeps every leg open, and its watermark tells which it is', () => {
    const traffic = generateTraffic({ seed: 1, days: 1, jobs: 500 });
    const { matcher, callbacks } = createScene({ memoryLimit: 100 });
    matcher.advance('taps', START - 1);
    callbacks(traffic.callbacks);
    matcher.advance('proxy', START + 24 * HOUR);
    expect(matcher.counts().totals).toMatchObject({ missingEvent: 0, pending: 1_000 });
    expect(matcher.sources()).toEqual([
      { source: 'proxy', watermark: START + 24 * HOUR },
      { source: 'taps', watermark: START - 1 },
    ]);
  });

  test('what a stalled source tells in the end is judged as if it had never stalled', () => {
    const traffic = generateTraffic({ seed: 1, days: 1, jobs: 500, faults: everyPlant(3) });
    const { callbacks, events, advance, found } = createScene({ memoryLimit: 100 });
    callbacks(traffic.callbacks);
    events(traffic.events);
    advance(START + 48 * HOUR);
    expect(found()).toEqual(planted(traffic));
  });

  test('the order in which two sources tell changes nothing', () => {
    const traffic = generateTraffic({ seed: 2, days: 2, jobs: 200, faults: everyPlant(4) });
    const orders = [
      inOrder(traffic),
      [...inOrder(traffic)].reverse(),
      inOrder(traffic).toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)),
      inOrder(traffic).toSorted((a, b) => (a.path < b.path ? 1 : a.path > b.path ? -1 : 0)),
    ];
    for (const order of orders) {
      const { callbacks, events, advance, found } = createScene();
      for (const { path, line } of order) (path === 'callback' ? callbacks : events)([line]);
      advance(START + 72 * HOUR);
      expect(found()).toEqual(planted(traffic));
    }
  });

  test.each(EVERY_PLANT)('counts are exact at every moment: %s', (name) => {
    const book = createBook();
    const other = makeJob(START - 2 * HOUR, mulberry32(9));
    book.started(other);
    PLANTS[name](makeJob(START, mulberry32(3)), book);
    const traffic = book.traffic();
    const { matcher, callbacks, events, advance, changes } = createScene();
    const running = new Map<string, number>();
    const standing = new Map<string, string>();
    for (const { path, line } of inOrder(traffic)) {
      (path === 'callback' ? callbacks : events)([line]);
      advance(line.at);
    }
    advance(START + 24 * HOUR);
    for (const change of changes) {
      if (change.kind !== 'closed') add(running, change.before.outcome, -1);
      if (change.kind !== 'withdrawn') add(running, change.leg.outcome, 1);
      // A leg has one key for as long as it stands: it closes under it once, and changes or goes under the same.
      expect(standing.has(change.key)).toBe(change.kind !== 'closed');
      if (change.kind === 'withdrawn') standing.delete(change.key);
      else standing.set(change.key, change.leg.outcome);
    }
    const { totals } = matcher.counts();
    expect(standing.size).toBe(OUTCOMES.reduce((sum, outcome) => sum + totals[outcome], 0));
    for (const [outcome, count] of running) expect(totals).toMatchObject({ [outcome]: count });
    expect(totals.pending).toBe(0);
  });
});

function add(counts: Map<string, number>, name: string, by: number): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}

describe('late arrivals', () => {
  test('a missing event that comes after all is late, and no longer missing', () => {
    const { callbacks, events, advance, found, changes } = createScene();
    const traffic = oneJob();
    callbacks(traffic.callbacks);
    advance(START + 10 * 60_000);
    expect(found()).toEqual({
      'analysis.completed notification missingEvent': 1,
      'analysis.completed assessment missingEvent': 1,
    });
    events(traffic.events.map((line) => ({ ...line, record: { ...line.record, receivedAt: at(20) } })));
    expect(found()).toEqual({
      'analysis.completed notification late': 1,
      'analysis.completed assessment late': 1,
    });
    expect(changes.map(({ kind }) => kind)).toEqual(['closed', 'closed', 'reclassified', 'reclassified']);
  });

  test('an event that happened in time and was only told late is a match', () => {
    const { callbacks, events, advance, found } = createScene();
    const traffic = oneJob();
    callbacks(traffic.callbacks);
    advance(START + 10 * 60_000);
    events(traffic.events);
    expect(found()).toEqual({
      'analysis.completed notification match': 1,
      'analysis.completed assessment match': 1,
    });
  });

  test('after the time for which legs are remembered, a leg begins anew', () => {
    const { callbacks, events, advance, found } = createScene({ rememberMs: 2 * 60_000 });
    const traffic = oneJob();
    callbacks(traffic.callbacks);
    advance(START + 60 * 60_000);
    events(traffic.events);
    expect(found()).toMatchObject({
      'analysis.completed notification missingEvent': 1,
      'analysis.completed notification missingCallback': 1,
    });
  });

  test('a window that has grown does not judge a closed leg otherwise', () => {
    let windowMs = 60_000;
    const { callbacks, events, advance, found, matcher } = createScene({
      windowMs: () => windowMs,
      budgetMs: HOUR,
    });
    const traffic = oneJob();
    callbacks(traffic.callbacks);
    advance(START + 10 * 60_000);
    windowMs = HOUR;
    matcher.advance('proxy', START + 11 * 60_000);
    matcher.advance('taps', START + 11 * 60_000);
    events(traffic.events.map((line) => ({ ...line, record: { ...line.record, receivedAt: at(20) } })));
    expect(found()).toMatchObject({ 'analysis.completed notification late': 1 });
  });
});

const at = (minutes: number) => new Date(START + minutes * 60_000).toISOString();

describe('what consumers report', () => {
  const sources = { proxy: 'callback', taps: 'event', reports: 'report' } as const;

  test('an event that a reporting consumer never reports did not arrive: not consumed', () => {
    const { matcher, callbacks, events, advance, changes } = createScene({
      sources,
      reporting: ['notification'],
    });
    const traffic = oneJob();
    callbacks(traffic.callbacks);
    events(traffic.events);
    matcher.advance('reports', START + HOUR);
    advance(START + HOUR);
    expect(changes).toMatchObject([
      { leg: { outcome: 'missingEvent', details: { because: 'not-consumed' }, evidence: 'bad' } },
      { leg: { outcome: 'match' } },
    ]);
  });

  test('both paths having their effect is a duplicate, and told apart from all others', () => {
    const { matcher, callbacks, events, advance } = createScene({ sources });
    const traffic = oneJob();
    callbacks(traffic.callbacks);
    events(traffic.events);
    const [event] = traffic.events;
    if (event === undefined) throw new Error('no event');
    matcher.add(reportOf(event, 'assessment', 'applied', 'callback'));
    matcher.add(reportOf(event, 'assessment', 'applied', 'event'));
    matcher.add(reportOf(event, 'notification', 'applied', 'event'));
    matcher.advance('reports', START + HOUR);
    advance(START + HOUR);
    const { strata, totals } = matcher.counts();
    expect(totals).toMatchObject({ duplicate: 1, match: 1 });
    expect(strata.filter(({ bothApplied }) => bothApplied > 0)).toMatchObject([
      { consumer: 'assessment', eventType: 'analysis.completed', bothApplied: 1, bad: 1 },
    ]);
  });

  test('where nothing taps the events, reports of deliveries stand for them', () => {
    const { matcher, callbacks, advance, found } = createScene({ sources });
    const traffic = oneJob();
    callbacks(traffic.callbacks);
    const [event] = traffic.events;
    if (event === undefined) throw new Error('no event');
    for (const consumer of CONSUMERS) matcher.add(reportOf(event, consumer, 'consumed'));
    matcher.advance('reports', START + HOUR);
    advance(START + HOUR);
    expect(found()).toEqual({
      'analysis.completed notification match': 1,
      'analysis.completed assessment match': 1,
    });
  });
});

describe('gaps', () => {
  test('an event missing in a gap of the taps is no evidence, and is told as that', () => {
    const { matcher, callbacks, advance, changes } = createScene();
    matcher.gap('taps', START, START + 30_000);
    callbacks(oneJob().callbacks);
    advance(START + HOUR);
    expect(changes).toMatchObject([
      { leg: { outcome: 'missingEvent', evidence: 'none', details: { because: 'collector-gap' } } },
      { leg: { outcome: 'missingEvent', evidence: 'none', details: { because: 'collector-gap' } } },
    ]);
    expect(matcher.gaps()).toEqual([{ source: 'taps', from: START, to: START + 30_000 }]);
    expect(matcher.counts().strata.every(({ bad }) => bad === 0)).toBe(true);
  });

  test('a gap of the proxy excuses no missing event', () => {
    const { matcher, callbacks, advance, changes } = createScene();
    matcher.gap('proxy', START, null);
    callbacks(oneJob().callbacks);
    advance(START + HOUR);
    expect(changes[0]).toMatchObject({ leg: { evidence: 'bad', details: { because: 'not-published' } } });
  });

  test('the end of a gap replaces the gap that lasted', () => {
    const { matcher } = createScene();
    matcher.gap('taps', START, null);
    matcher.gap('taps', START, START + 5);
    expect(matcher.gaps()).toEqual([{ source: 'taps', from: START, to: START + 5 }]);
  });
});

test('a job that is told of a hundred thousand times takes no more memory, and is one duplicate', () => {
  const { callbacks, events, advance, found } = createScene();
  const traffic = oneJob();
  callbacks(traffic.callbacks);
  for (let n = 0; n < 100_000; n++) events(traffic.events);
  advance(START + HOUR);
  expect(found()).toEqual({
    'analysis.completed notification duplicate': 1,
    'analysis.completed assessment duplicate': 1,
  });
});
