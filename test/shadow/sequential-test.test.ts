import { describe, expect, test } from 'vitest';
import {
  type Evidence,
  isSafe,
  isUnsafe,
  logE,
  neededCleanLegs,
  sharesOf,
} from '../../src/shadow/sequential-test.js';
import { seeded } from '../transports/routing-cases.js';

const USUAL = sharesOf();

describe('the sequential test of one stratum', () => {
  test('tolerates 0.1 % and aims for 0.01 % unless told otherwise', () => {
    expect(USUAL).toEqual({ tolerated: 0.001, aimed: 0.0001 });
    expect(sharesOf(0.05)).toEqual({ tolerated: 0.05, aimed: 0.005 });
  });

  test.each([0, 1, -0.1, Number.NaN])('refuses %s as a share', (share) => {
    expect(() => sharesOf(share)).toThrow(RangeError);
  });

  test.each([
    [0, 3_327],
    [1, 5_885],
    [2, 8_443],
    [3, 11_001],
  ])('with %i bad legs it takes %i legs, the bad ones among them, and not one less', (bad, legs) => {
    expect(isSafe({ legs, bad }, USUAL)).toBe(true);
    expect(isSafe({ legs: legs - 1, bad }, USUAL)).toBe(false);
    expect(neededCleanLegs({ legs: bad, bad }, USUAL)).toBe(legs - bad);
  });

  test('E is the product of its definition, as long as that fits into a double', () => {
    const { tolerated, aimed } = USUAL;
    for (const [legs, bad] of [
      [1, 0],
      [1, 1],
      [1_000, 3],
      [100_000, 40],
    ] as const) {
      const plain = (aimed / tolerated) ** bad * ((1 - aimed) / (1 - tolerated)) ** (legs - bad);
      expect(Math.exp(logE({ legs, bad }, USUAL))).toBeCloseTo(plain, 9);
    }
  });

  test('one more leg raises E when it is good and lowers it when it is bad', () => {
    for (const evidence of evidences(1, 500)) {
      const { legs, bad } = evidence;
      expect(logE({ legs: legs + 1, bad }, USUAL)).toBeGreaterThan(logE(evidence, USUAL));
      expect(logE({ legs: legs + 1, bad: bad + 1 }, USUAL)).toBeLessThan(logE(evidence, USUAL));
    }
  });

  test('the mean factor of E is 1 at what is tolerated and less above; that of 1/E is 1 at the aim and less below', () => {
    for (const tolerated of [0.001, 0.01, 0.3]) {
      const shares = sharesOf(tolerated);
      const good = Math.exp(logE({ legs: 1, bad: 0 }, shares));
      const bad = Math.exp(logE({ legs: 1, bad: 1 }, shares));
      const mean = (share: number) => share * bad + (1 - share) * good;
      const meanOfInverse = (share: number) => share / bad + (1 - share) / good;

      expect(mean(shares.tolerated)).toBeCloseTo(1, 12);
      expect(meanOfInverse(shares.aimed)).toBeCloseTo(1, 12);
      for (const step of [0.1, 0.5, 1]) {
        expect(mean(tolerated + step * (1 - tolerated))).toBeLessThan(1);
        expect(meanOfInverse(shares.aimed * (1 - step))).toBeLessThan(1);
      }
    }
  });

  test('the clean legs still needed are the fewest that make it safe, for any counts and shares', () => {
    const random = seeded(2);
    for (const evidence of evidences(3, 3_000)) {
      const shares = sharesOf(10 ** (-5 * random()) * 0.9);
      const alpha = 0.001 + 0.5 * random();
      const needed = neededCleanLegs(evidence, shares, alpha);
      const { legs, bad } = evidence;
      expect(Number.isInteger(needed)).toBe(true);
      expect(isSafe({ legs: legs + needed, bad }, shares, alpha)).toBe(true);
      if (needed > 0) expect(isSafe({ legs: legs + needed - 1, bad }, shares, alpha)).toBe(false);
    }
  });

  test('a limit that is reached to the last digit is not missed by rounding', () => {
    for (let legs = 1; legs <= 3_000; legs += 1) {
      const alpha = Math.exp(-logE({ legs, bad: 0 }, USUAL));
      const needed = neededCleanLegs({ legs: 0, bad: 0 }, USUAL, alpha);
      expect(isSafe({ legs: needed, bad: 0 }, USUAL, alpha)).toBe(true);
      expect(isSafe({ legs: needed - 1, bad: 0 }, USUAL, alpha)).toBe(false);
    }
  });

  test('nothing is safe and unsafe at once', () => {
    for (const evidence of evidences(4, 2_000)) {
      expect(isSafe(evidence, USUAL) && isUnsafe(evidence, USUAL, 1)).toBe(false);
    }
  });

  test('more strata ask for more before one of them is unsafe', () => {
    // 1/E is just under 100 after two bad legs, and m/β is 20 for one stratum, 100 for five.
    const twoBad = { legs: 2, bad: 2 };
    expect(isUnsafe({ legs: 1, bad: 1 }, USUAL, 1)).toBe(false);
    expect(isUnsafe(twoBad, USUAL, 1)).toBe(true);
    expect(isUnsafe(twoBad, USUAL, 4)).toBe(true);
    expect(isUnsafe({ legs: 3, bad: 2 }, USUAL, 5)).toBe(false);
  });

  test('billions of legs neither overflow nor lose the last one', () => {
    const many = { legs: 4_000_000_000, bad: 400_000 };
    expect(isSafe(many, USUAL)).toBe(true);
    expect(isUnsafe({ legs: 4_000_000_000, bad: 4_000_000 }, USUAL, 100)).toBe(true);
    const close = { legs: 10_000_000, bad: 3_908 };
    const needed = neededCleanLegs(close, USUAL);
    expect(needed).toBeGreaterThan(0);
    expect(isSafe({ legs: close.legs + needed, bad: close.bad }, USUAL)).toBe(true);
    expect(isSafe({ legs: close.legs + needed - 1, bad: close.bad }, USUAL)).toBe(false);
  });
});

/** Counts of all sizes: from no leg to ten million, from none bad to all. */
function evidences(seed: number, amount: number): Evidence[] {
  const random = seeded(seed);
  return Array.from({ length: amount }, () => {
    const legs = Math.floor(10 ** (7 * random())) - 1;
    return { legs, bad: Math.min(legs, Math.floor(legs * 10 ** (-6 * random()))) };
  });
}
