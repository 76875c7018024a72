/** The offline comparison, on generated months. */
import { describe, expect, test } from 'vitest';
import { type CompareOptions, type Comparison, compareRecords } from '../../src/shadow/compare.js';
import { EVERY_PLANT } from './plants.js';
import { everyPlant, foundIn, planted, SHADOW, TOPOLOGY } from './scene.js';
import { bytesOf, disordered, generateTraffic, type Line } from './traffic.js';

function compare(
  { callbacks, events }: { callbacks: readonly Line[]; events: readonly Line[] },
  options: Partial<CompareOptions> = {},
): Promise<Comparison> {
  return compareRecords({
    mapping: SHADOW,
    topology: TOPOLOGY,
    callbacks: bytesOf(callbacks),
    events: bytesOf(events),
    budgetMs: 5_000,
    ...options,
  });
}

const found = ({ counts }: Comparison) => foundIn(counts);

const beyondBudget = ({ counts }: Comparison) =>
  Object.fromEntries(
    counts.strata
      .filter(({ latency }) => (latency?.bad ?? 0) > 0)
      .map(({ eventType, consumer, latency }) => [`${eventType} ${consumer}`, latency?.bad]),
  );

/** Left to itself the window follows the times between the paths: with this many faults it would grow over the late ones. */
const WINDOW = { windowMs: () => 60_000 };

const MONTH = { seed: 4, days: 30, jobs: 3_000 };

describe('a simulated month', () => {
  test('without a fault has none', async () => {
    const traffic = generateTraffic(MONTH);
    const result = await compare(traffic);
    expect(found(result)).toEqual(planted(traffic));
    expect(Object.keys(found(result)).every((name) => name.endsWith(' match'))).toBe(true);
    expect(result.counts.totals).toMatchObject({ match: 12_000, extra: 0, pending: 0 });
    expect(result).toMatchObject({ findings: [], unmapped: [], unreadable: 0, disorder: [], doubts: [] });
  });

  test.each(EVERY_PLANT)('shows: %s', async (name) => {
    const traffic = generateTraffic({ seed: 5, days: 1, jobs: 20, faults: { [name]: 3 } });
    const result = await compare(traffic);
    expect(found(result)).toEqual(planted(traffic));
    expect(result.counts.totals.extra).toBe(traffic.expected.extra);
    expect(beyondBudget(result)).toEqual(Object.fromEntries(traffic.expected.beyondBudget));
  });

  test('with every fault has each of them, counted exactly', async () => {
    const traffic = generateTraffic({ ...MONTH, faults: everyPlant(7) });
    const result = await compare(traffic, WINDOW);
    expect(found(result)).toEqual(planted(traffic));
    expect(beyondBudget(result)).toEqual(Object.fromEntries(traffic.expected.beyondBudget));
    expect(result.counts.totals).toMatchObject({ extra: traffic.expected.extra, pending: 0 });
    const legs = [...traffic.expected.legs].reduce((sum, [, count]) => sum + count, 0);
    const bad = result.findings.reduce((sum, { count }) => sum + count, 0);
    expect(bad + result.counts.totals.match).toBe(legs);
  });

  test('is judged alike whether it fits in memory or not', async () => {
    const traffic = generateTraffic({ ...MONTH, days: 0.5, faults: everyPlant(20) });
    const closed: [string[], string[]] = [[], []];
    const note = (into: string[]) => ({
      ...WINDOW,
      onLeg: (change: object) => void into.push(JSON.stringify(change)),
    });
    const roomy = await compare(traffic, note(closed[0]));
    const tight = await compare(traffic, { memoryLimit: 40, ...note(closed[1]) });
    expect(found(roomy)).toEqual(planted(traffic));
    expect(tight).toEqual(roomy);
    expect(closed[1]).toEqual(closed[0]);
  });

  test('is judged alike when its lines are up to half a minute out of order', async () => {
    const traffic = generateTraffic({ ...MONTH, faults: everyPlant(5) });
    const mixed = {
      callbacks: disordered(traffic.callbacks, 30_000, 1),
      events: disordered(traffic.events, 30_000, 2),
    };
    const result = await compare(mixed, WINDOW);
    expect(found(result)).toEqual(planted(traffic));
    expect(result).toMatchObject({ disorder: [], doubts: [] });
  });
});
