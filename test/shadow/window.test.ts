import { expect, test } from 'vitest';
import { latencySketch } from '../../src/shadow/latency.js';
import { matchWindowMs } from '../../src/shadow/window.js';

test('a leg waits for a minute while nothing is known', () => {
  expect(matchWindowMs(latencySketch())).toBe(60_000);
});

test('a leg waits for a minute while the paths are close', () => {
  expect(matchWindowMs(differences({ 40: 10_000 }))).toBe(60_000);
});

test('a leg waits three times as long as all but one in a thousand took', () => {
  const times = differences({ 40: 9_985, 30000: 10, 500000: 5 });
  expect(Math.abs(matchWindowMs(times) - 90_000)).toBeLessThanOrEqual(900);
});

test('it does not matter which path came first', () => {
  const times = differences({ 40: 9_980, '-30000': 20 });
  expect(Math.abs(matchWindowMs(times) - 90_000)).toBeLessThanOrEqual(900);
});

test('one slow pair among few counts in full', () => {
  expect(matchWindowMs(differences({ 40: 10, 100000: 1 }))).toBeCloseTo(300_000, 6);
});

/** Milliseconds, and how often. */
function differences(amounts: Readonly<Record<string, number>>) {
  const sketch = latencySketch();
  for (const [ms, amount] of Object.entries(amounts))
    for (let i = 0; i < amount; i += 1) sketch.add(Number(ms));
  return sketch;
}
