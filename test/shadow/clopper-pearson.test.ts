import { describe, expect, test } from 'vitest';
import { clopperPearson } from '../../src/shadow/clopper-pearson.js';
import { seeded } from '../transports/routing-cases.js';

describe('the exact interval of a share', () => {
  test.each([
    // R, help page of binom.test (Conover 1971, Mendel's peas).
    { bad: 682, legs: 925, confidence: 0.95, low: 0.7076683, high: 0.7654066, digits: 7 },
    // SciPy, documentation of BinomTestResult.proportion_ci.
    { bad: 7, legs: 50, confidence: 0.95, low: 0.05819170033997342, high: 0.26739600249700846, digits: 11 },
    // SciPy 1.17.1, beta.ppf.
    { bad: 4, legs: 20, confidence: 0.95, low: 0.05733399705003277, high: 0.4366140029966683, digits: 13 },
    {
      bad: 1,
      legs: 5_885,
      confidence: 0.95,
      low: 4.302082162209986e-6,
      high: 9.463856862185475e-4,
      digits: 14,
    },
    { bad: 500, legs: 1e6, confidence: 0.95, low: 4.5713814854857e-4, high: 5.4579676565409e-4, digits: 13 },
    { bad: 1, legs: 1e7, confidence: 0.95, low: 2.53178e-9, high: 5.571642116990813e-7, digits: 14 },
    { bad: 5e6, legs: 1e7, confidence: 0.95, low: 0.4996900525213711, high: 0.5003099474786289, digits: 10 },
  ])('$bad of $legs is what others publish', ({ bad, legs, confidence, low, high, digits }) => {
    const interval = clopperPearson({ legs, bad }, confidence);
    expect(interval.low).toBeCloseTo(low, digits);
    expect(interval.high).toBeCloseTo(high, digits);
  });

  test('none bad, and all bad, have a formula of their own', () => {
    for (const legs of [1, 2, 10, 3_327, 1_000_000]) {
      const root = 0.025 ** (1 / legs);
      expect(clopperPearson({ legs, bad: 0 }).low).toBe(0);
      expect(clopperPearson({ legs, bad: 0 }).high).toBeCloseTo(1 - root, 12);
      expect(clopperPearson({ legs, bad: legs }).low).toBeCloseTo(root, 12);
      expect(clopperPearson({ legs, bad: legs }).high).toBe(1);
    }
  });

  test('no legs say nothing', () => {
    expect(clopperPearson({ legs: 0, bad: 0 })).toEqual({ low: 0, high: 1 });
  });

  test('at its ends what was seen, or something more extreme, has a probability of 2.5 %', () => {
    const random = seeded(7);
    for (let round = 0; round < 200; round += 1) {
      const legs = 1 + Math.floor(60 * random());
      const bad = Math.floor((legs + 1) * random());
      const { low, high } = clopperPearson({ legs, bad });
      if (bad > 0) expect(atLeast(bad, legs, low)).toBeCloseTo(0.025, 9);
      if (bad < legs) expect(1 - atLeast(bad + 1, legs, high)).toBeCloseTo(0.025, 9);
    }
  });

  test('good and bad are mirror images', () => {
    const bad = clopperPearson({ legs: 1_000, bad: 3 });
    const good = clopperPearson({ legs: 1_000, bad: 997 });
    expect(good.low).toBeCloseTo(1 - bad.high, 12);
    expect(good.high).toBeCloseTo(1 - bad.low, 12);
  });
});

/** Probability of `bad` or more bad ones among `legs`, term by term. */
function atLeast(bad: number, legs: number, share: number): number {
  let term = (1 - share) ** legs;
  let sum = 0;
  for (let k = 0; k <= legs; k += 1) {
    if (k >= bad) sum += term;
    term *= ((legs - k) / (k + 1)) * (share / (1 - share));
  }
  return sum;
}
