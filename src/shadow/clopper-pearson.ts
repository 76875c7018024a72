/**
 * The exact interval for a share (Clopper and Pearson, Biometrika 26, 1934): quantiles of the beta distribution. For
 * display; the verdict comes from the sequential test, because an interval that is looked at again and again does not
 * keep its 95 %.
 *
 * Own code, because the maintained package for it (@stdlib/stats-base-dists-beta-quantile 0.2.3) brings 233 packages
 * and 27 MB, and jstat 1.2 MB, for these 60 lines.
 */
import type { Evidence } from './sequential-test.js';

/** Shares from 0 to 1 that the true share lies between. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** `confidence` from 0 to 1, both excluded. No legs say nothing: 0 to 1. */
export function clopperPearson({ legs, bad }: Evidence, confidence = 0.95): Interval {
  const tail = (1 - confidence) / 2;
  return {
    low: bad === 0 ? 0 : betaQuantile(tail, bad, legs - bad + 1),
    high: bad === legs ? 1 : betaQuantile(1 - tail, bad + 1, legs - bad),
  };
}

/** The x at which the regularised incomplete beta function of a and b is `probability`. a, b ≥ 1. */
function betaQuantile(probability: number, a: number, b: number): number {
  const logBeta = logGamma(a) + logGamma(b) - logGamma(a + b);
  // Halving the range of log(x/(1−x)) keeps the digits of shares near 0 and near 1 alike.
  let [low, high] = [-750, 750];
  for (let step = 0; step < 80 && low < high; step += 1) {
    const middle = (low + high) / 2;
    if (incompleteBeta(middle, a, b, logBeta) < probability) low = middle;
    else high = middle;
  }
  return 1 / (1 + Math.exp(-(low + high) / 2));
}

/** Regularised incomplete beta function at the x whose log(x/(1−x)) is `logit`. */
function incompleteBeta(logit: number, a: number, b: number, logBeta: number): number {
  const logX = -Math.log1p(Math.exp(-logit));
  const logRest = -Math.log1p(Math.exp(logit));
  const x = Math.exp(logX);
  const front = Math.exp(a * logX + b * logRest - logBeta);
  // DLMF 8.17.4: the fraction converges fast on this side of the mean only.
  return x < (a + 1) / (a + b + 2)
    ? (front * continuedFraction(x, a, b)) / a
    : 1 - (front * continuedFraction(Math.exp(logRest), b, a)) / b;
}

/**
 * DLMF 8.17.22, https://dlmf.nist.gov/8.17.E22, by Lentz's method as modified by Thompson and Barnett (1986). It takes
 * in the order of √max(a, b) steps: a few thousand for ten million legs.
 */
function continuedFraction(x: number, a: number, b: number): number {
  let c = 1;
  let d = 1 / awayFromZero(1 - ((a + b) * x) / (a + 1));
  let value = d;
  for (let m = 1; m <= 100_000; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / awayFromZero(1 + even * d);
    c = awayFromZero(1 + even / c);
    value *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / awayFromZero(1 + odd * d);
    c = awayFromZero(1 + odd / c);
    value *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return value;
}

function awayFromZero(value: number): number {
  return Math.abs(value) < 1e-300 ? 1e-300 : value;
}

/** Stirling's series, https://dlmf.nist.gov/5.11.E1, good to 15 digits from 15 on; smaller z climb there first. */
function logGamma(z: number): number {
  let factor = 1;
  let at = z;
  for (; at < 15; at += 1) factor *= at;
  const inverse = 1 / at;
  const square = inverse * inverse;
  const series =
    inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))));
  return (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + series - Math.log(factor);
}
