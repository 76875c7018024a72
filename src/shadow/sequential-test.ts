/**
 * One question, asked after every leg: is the share of bad legs as low as aimed (p ≤ p1), or as high as what is no
 * longer tolerated (p ≥ p0)? With k bad of n legs, E = (p1/p0)^k · ((1−p1)/(1−p0))^(n−k) is the likelihood of what was
 * seen under p1, divided by that under p0 (Wald, "Sequential Tests of Statistical Hypotheses", 1945).
 *
 * | one more leg is | E is multiplied by | p0 = 0.1 %, p1 = 0.01 % |
 * |---|---|---|
 * | good | (1−p1)/(1−p0) > 1 | 1.0009 |
 * | bad | p1/p0 < 1 | 0.1 |
 *
 * The mean of that factor is 1 where p = p0 and less where p > p0, whatever came before: E is a supermartingale under
 * every p ≥ p0, so it ever reaches 1/α with a probability of α at most (Ville's inequality), however often one looks.
 * The same holds for 1/E and β under every p ≤ p1. See docs/shadow.md.
 *
 * All of it is done in logarithms: E itself leaves the range of a double after some 800,000 good legs.
 */

/** The two shares of bad legs between which the test decides. 0 < aimed < tolerated < 1. */
export interface Shares {
  /** p0: a share this high, or higher, must not pass as safe. */
  readonly tolerated: number;
  /** p1: a share this low, or lower, must not be called unsafe. */
  readonly aimed: number;
}

/** Legs that are evidence, and how many of them are bad. Whole numbers, 0 ≤ bad ≤ legs. */
export interface Evidence {
  readonly legs: number;
  readonly bad: number;
}

/** Share of bad legs that is no longer tolerated, where a stratum has none of its own. */
export const TOLERATED = 0.001;
/** α: how probable it may be that SAFE is ever said although p ≥ p0. */
export const ALPHA = 0.05;
/** β: how probable it may be that UNSAFE is ever said, in any stratum, although p ≤ p1 in all. */
export const BETA = 0.05;

/** `tolerated` (0 to 1, both excluded), and a tenth of it to aim for. Throws RangeError for any other number. */
export function sharesOf(tolerated: number = TOLERATED): Shares {
  if (!(tolerated > 0 && tolerated < 1)) throw new RangeError(`a share between 0 and 1, not ${tolerated}`);
  return { tolerated, aimed: tolerated / 10 };
}

/** Natural logarithm of E. Above 0 what was seen speaks for p1, below 0 for p0. */
export function logE({ legs, bad }: Evidence, shares: Shares): number {
  return bad * logOfBad(shares) + (legs - bad) * logOfGood(shares);
}

/** E ≥ 1/α: a share of `tolerated` or more would have let this happen in at most α of all runs. */
export function isSafe(evidence: Evidence, shares: Shares, alpha: number = ALPHA): boolean {
  return logE(evidence, shares) >= -Math.log(alpha);
}

/**
 * 1/E ≥ m/β: a share of `aimed` or less would have let this happen, in any of `tests` strata, in at most β of all runs.
 * `tests` is m, the number of strata that are judged, whether or not they have seen anything.
 */
export function isUnsafe(evidence: Evidence, shares: Shares, tests: number, beta: number = BETA): boolean {
  return -logE(evidence, shares) >= Math.log(tests / beta);
}

/** The smallest number of further legs, all of them good, after which `isSafe` holds; 0 where it holds already. */
export function neededCleanLegs(evidence: Evidence, shares: Shares, alpha: number = ALPHA): number {
  const missing = -Math.log(alpha) - logE(evidence, shares);
  let needed = Math.max(0, Math.ceil(missing / logOfGood(shares)));
  // The division rounds: `isSafe` has the last word, so that no one sees "0 needed" beside "not yet safe".
  while (needed > 0 && isSafe(more(evidence, needed - 1), shares, alpha)) needed -= 1;
  while (!isSafe(more(evidence, needed), shares, alpha)) needed += 1;
  return needed;
}

function more({ legs, bad }: Evidence, further: number): Evidence {
  return { legs: legs + further, bad };
}

function logOfBad({ tolerated, aimed }: Shares): number {
  return Math.log(aimed / tolerated);
}

// log1p, because 1 − 0.0001 has already lost the digits that count.
function logOfGood({ tolerated, aimed }: Shares): number {
  return Math.log1p(-aimed) - Math.log1p(-tolerated);
}
