/**
 * What the error rates are worth: many runs of random legs, looked at after every single one. SAFE can only come on a
 * good leg and UNSAFE on a bad one, and `neededCleanLegs` says on which, so that most runs jump from one bad leg to the
 * next; that this is the same as looking after every leg is shown first.
 */
import { describe, expect, test } from 'vitest';
import {
  type Evidence,
  isSafe,
  isUnsafe,
  logE,
  neededCleanLegs,
  sharesOf,
} from '../../src/shadow/sequential-test.js';
import { type Random, seeded } from '../transports/routing-cases.js';

const SHARES = sharesOf();
const { tolerated: P0, aimed: P1 } = SHARES;
/** From here on the other verdict comes with a probability of 1e-6 at most: the run is over. */
const DECIDED = Math.log(1e6);

interface Run {
  /** Legs when E first was 1/α or more; null when it never was. */
  readonly safeAt: number | null;
  /** Legs when 1/E first was m/β or more. */
  readonly unsafeAt: number | null;
}

describe('looking after every leg', () => {
  test('jumping from bad leg to bad leg finds the same verdicts at the same legs', () => {
    let verdicts = 0;
    for (let seed = 0; seed < 300; seed += 1) {
      const share = seed % 2 === 0 ? P0 : P1;
      const jumped = jump(gapsOf(share, seeded(seed)), 1);
      expect(everyLeg(gapsOf(share, seeded(seed)), 1)).toEqual(jumped);
      if (jumped.safeAt !== null) verdicts += 1;
    }
    expect(verdicts).toBeGreaterThan(100);
  });

  test('says SAFE at p0 in nearly, and at most, 5 % of runs', () => {
    const rate = rateOf(40_000, (random) => jump(gapsOf(P0, random), 1).safeAt !== null);
    // 40,000 runs tell a rate of 5 % to ± 0.33 % (three standard deviations).
    expect(rate).toBeLessThan(0.0533);
    expect(rate).toBeGreaterThan(0.045);
  });

  test.each([1.5, 3, 10])('says SAFE even less often at %d × p0', (times) => {
    expect(rateOf(20_000, (random) => jump(gapsOf(times * P0, random), 1).safeAt !== null)).toBeLessThan(
      0.02,
    );
  });

  test.each([1, 2, 6])('says UNSAFE at p1, in any of %i strata, in one run of twenty at most', (strata) => {
    const rate = rateOf(20_000, (random) =>
      Array.from({ length: strata }).some(() => jump(gapsOf(P1, random), strata).unsafeAt !== null),
    );
    expect(rate).toBeLessThan(0.05);
    // A rule that never says it would pass the line above.
    expect(rate).toBeGreaterThan(0.002);
  });

  test('says SAFE after 3,327 legs when none is bad', () => {
    expect(jump(gapsOf(0, seeded(1)), 1)).toEqual({ safeAt: 3_327, unsafeAt: null });
  });

  test('says SAFE at p1 nearly always, after some 4,500 legs in the middle', () => {
    const runs = runsOf(5_000, (random) => jump(gapsOf(P1, random), 1));
    const legs = runs.flatMap(({ safeAt }) => safeAt ?? []).sort((a, b) => a - b);
    expect(legs.length / runs.length).toBeGreaterThan(0.97);
    expect(legs[Math.floor(legs.length / 2)]).toBeLessThan(5_000);
  });

  test('says UNSAFE soon when one leg in a hundred is bad', () => {
    const runs = runsOf(5_000, (random) => jump(gapsOf(10 * P0, random), 4));
    const legs = runs.flatMap(({ unsafeAt }) => unsafeAt ?? []).sort((a, b) => a - b);
    expect(legs.length / runs.length).toBeGreaterThan(0.999);
    expect(legs[Math.floor(legs.length / 2)]).toBeLessThan(300);
  });
});

/** How many good legs come before the next bad one, again and again. */
function gapsOf(share: number, random: Random): () => number {
  if (share === 0) return () => Number.POSITIVE_INFINITY;
  return () => Math.floor(Math.log(1 - random()) / Math.log1p(-share));
}

function jump(nextGap: () => number, strata: number): Run {
  let run: Run = { safeAt: null, unsafeAt: null };
  for (let seen: Evidence = { legs: 0, bad: 0 }; !isDecided(seen, run); ) {
    const gap = nextGap();
    const needed = neededCleanLegs(seen, SHARES);
    if (run.safeAt === null && gap >= needed) run = { ...run, safeAt: seen.legs + needed };
    if (gap === Number.POSITIVE_INFINITY) break;
    seen = { legs: seen.legs + gap + 1, bad: seen.bad + 1 };
    if (run.unsafeAt === null && isUnsafe(seen, SHARES, strata)) run = { ...run, unsafeAt: seen.legs };
  }
  return run;
}

function everyLeg(nextGap: () => number, strata: number): Run {
  let run: Run = { safeAt: null, unsafeAt: null };
  let { legs, bad } = { legs: 0, bad: 0 };
  const look = () => {
    if (run.safeAt === null && isSafe({ legs, bad }, SHARES)) run = { ...run, safeAt: legs };
    if (run.unsafeAt === null && isUnsafe({ legs, bad }, SHARES, strata)) run = { ...run, unsafeAt: legs };
  };
  while (!isDecided({ legs, bad }, run)) {
    for (let good = nextGap(); good > 0; good -= 1) {
      legs += 1;
      look();
    }
    legs += 1;
    bad += 1;
    look();
  }
  return run;
}

/** Judged on bad legs only, so that both ways of looking end at the same one. */
function isDecided(seen: Evidence, { safeAt, unsafeAt }: Run): boolean {
  if (safeAt !== null && unsafeAt !== null) return true;
  return Math.abs(logE(seen, SHARES)) > DECIDED;
}

function runsOf<T>(amount: number, run: (random: Random) => T): T[] {
  const random = seeded(4);
  return Array.from({ length: amount }, () => run(random));
}

function rateOf(amount: number, happens: (random: Random) => boolean): number {
  return runsOf(amount, happens).filter(Boolean).length / amount;
}
