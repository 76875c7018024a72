import { describe, expect, test } from 'vitest';
import { type LatencySketch, latencyJson, latencySketch, RELATIVE_ERROR } from '../../src/shadow/latency.js';
import { type Random, seeded } from '../transports/routing-cases.js';

const QUANTILES = [0, 0.01, 0.5, 0.95, 0.99, 0.999, 1];

const DISTRIBUTIONS: readonly (readonly [string, (random: Random) => number])[] = [
  ['a few milliseconds', (random) => 1 + 4 * random()],
  ['microseconds to days', (random) => 10 ** (-3 + 11 * random())],
  ['a long tail', (random) => 5 / (1 - random()) ** 2],
  ['early and late ones', (random) => (random() - 0.4) * 1_000],
  ['whole milliseconds, many alike', (random) => Math.floor(20 * random())],
];

describe('a sketch of latencies', () => {
  test.each(DISTRIBUTIONS)('%s: every quantile is within one percent of the exact one', (_, draw) => {
    const times = drawn(1, 20_000, draw);
    const sketch = sketchOf(times);
    const sorted = times.toSorted((a, b) => a - b);
    const sizes = times.map(Math.abs).toSorted((a, b) => a - b);
    for (const q of QUANTILES) {
      expectClose(sketch.quantile(q), exact(sorted, q));
      expectClose(sketch.magnitude(q), exact(sizes, q));
    }
    expect(sketch.count).toBe(20_000);
    expect(sketch.min).toBe(sorted[0]);
    expect(sketch.max).toBe(sorted.at(-1));
  });

  test.each(DISTRIBUTIONS)('%s: parts that are merged are the sketch of all', (_, draw) => {
    const times = drawn(2, 3_000, draw);
    const whole = sketchOf(times);
    const merged = sketchOf(times.slice(0, 17));
    merged.merge(latencySketch());
    merged.merge(sketchOf(times.slice(17, 1_500)));
    merged.merge(sketchOf(times.slice(1_500)));
    expect(merged.toJSON()).toEqual(whole.toJSON());
    expect(merged.count).toBe(3_000);
  });

  test.each(DISTRIBUTIONS)('%s: what was written as JSON goes on where it was', (_, draw) => {
    const times = drawn(3, 2_000, draw);
    const read = latencySketch(latencyJson.parse(JSON.parse(JSON.stringify(sketchOf(times.slice(0, 900))))));
    for (const time of times.slice(900)) read.add(time);
    expect(read.toJSON()).toEqual(sketchOf(times).toJSON());
    expect(read.count).toBe(2_000);
  });

  test.each(DISTRIBUTIONS)('%s: bars of a histogram stand side by side and hold every time', (_, draw) => {
    const times = drawn(4, 5_000, draw);
    for (const most of [1, 7, 40, 10_000]) {
      const bars = sketchOf(times).histogram(most);
      expect(bars.length).toBeLessThanOrEqual(most);
      bars.slice(1).forEach(({ from }, at) => {
        expect(from).toBe(bars[at]?.to);
      });
      expect(bars.reduce((sum, { count }) => sum + count, 0)).toBe(5_000);
      for (const { from, to, count } of bars) {
        // Rounding may put a time that lies on an end into either bar.
        const inside = times.filter(
          (time) => time > from + 1e-9 * Math.abs(from) && time < to - 1e-9 * Math.abs(to),
        );
        const onEnds = times.filter(
          (time) =>
            Math.abs(time - from) < 1e-9 * Math.abs(from) || Math.abs(time - to) < 1e-9 * Math.abs(to),
        );
        expect(count).toBeGreaterThanOrEqual(inside.length);
        expect(count).toBeLessThanOrEqual(inside.length + onEnds.length);
      }
    }
  });

  test('an empty one has no quantiles and no bars', () => {
    const empty = latencySketch();
    expect([empty.count, empty.min, empty.max, empty.quantile(0.5), empty.magnitude(0.5)]).toEqual([
      0,
      null,
      null,
      null,
      null,
    ]);
    expect(empty.histogram(10)).toEqual([]);
    expect(latencySketch(latencyJson.parse(JSON.parse(JSON.stringify(empty)))).count).toBe(0);
  });

  test('nothing in it needs more than some thousand buckets, however far apart the times are', () => {
    const sketch = latencySketch();
    for (let exponent = -20; exponent <= 300; exponent += 0.002) {
      sketch.add(10 ** exponent);
      sketch.add(-(10 ** exponent));
    }
    expect(sketch.toJSON().buckets.length).toBeLessThan(3_700);
    expect(JSON.stringify(sketch).length).toBeLessThan(60_000);
    expect(sketch.quantile(0.5)).toBeLessThan(0.001);
    expect((sketch.max ?? 0) / 1e300).toBeCloseTo(1, 1);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('%s is not a time', (time) => {
    expect(() => latencySketch().add(time)).toThrow(RangeError);
  });

  test.each([
    ['no object', 'x'],
    ['no buckets', { min: 1, max: 2 }],
    ['a negative count', { min: 1, max: 1, buckets: [[3, -1]] }],
    ['half a bucket', { min: 1, max: 1, buckets: [[3.5, 1]] }],
  ])('damaged JSON is refused: %s', (_, json) => {
    expect(latencyJson.safeParse(json).success).toBe(false);
  });
});

function drawn(seed: number, amount: number, draw: (random: Random) => number): number[] {
  const random = seeded(seed);
  return Array.from({ length: amount }, () => draw(random));
}

function sketchOf(times: readonly number[]): LatencySketch {
  const sketch = latencySketch();
  for (const time of times) sketch.add(time);
  return sketch;
}

function exact(sorted: readonly number[], q: number): number {
  return sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1] ?? Number.NaN;
}

function expectClose(found: number | null, wanted: number): void {
  // Below a microsecond everything is 0.
  const most = Math.max(Math.abs(wanted) * RELATIVE_ERROR * 1.000_001, 0.001);
  expect(Math.abs((found ?? Number.NaN) - wanted)).toBeLessThanOrEqual(most);
}
