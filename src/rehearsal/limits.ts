/**
 * By which limits the verdicts of a rehearsal are reached. The usual ones take thousands of legs; these follow from how many
 * jobs it drives, and are written into the config of its folder. Such a SAFE shows that the tools work, not that services do.
 */
import { neededCleanLegs, sharesOf } from '../shadow/sequential-test.js';

/** Every other job fails. */
export const FAILED_SHARE = 0.5;
/** In `rampdown`, percent of the jobs whose callbacks are still sent. */
export const SAMPLE_PERCENT = 50;
/** How much of what is expected has to be enough: jobs fall into the sample by chance. */
const MARGIN = 0.8;

const SHARES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3] as const;

export interface VerdictLimits {
  /** Share of bad legs that must not pass, in every stratum. */
  readonly tolerated: number;
  /** Clean legs of each kind that make it SAFE. */
  readonly cleanLegs: number;
  /** Milliseconds that a leg waits for its other path. */
  readonly windowMs: number;
}

/** Fewer jobs cannot become SAFE by any of the shares, not even with those that are added. */
export const LEAST_JOBS = 40;
const WINDOW_MS = 2_000;

/** The strictest limits that `jobs` of a stage are expected to reach in the stratum with the fewest legs. */
export function limitsFor(jobs: number): VerdictLimits {
  const fewest = jobs * FAILED_SHARE * (SAMPLE_PERCENT / 100) * MARGIN;
  const all = SHARES.map((tolerated) => ({ tolerated, cleanLegs: cleanLegsFor(tolerated) }));
  const reached = all.find(({ cleanLegs }) => cleanLegs <= fewest) ?? all.at(-1);
  return { tolerated: 0.3, cleanLegs: cleanLegsFor(0.3), ...reached, windowMs: WINDOW_MS };
}

export function cleanLegsFor(tolerated: number): number {
  return neededCleanLegs({ legs: 0, bad: 0 }, sharesOf(tolerated));
}

/** The project config that says so, for these legs. */
export function configOf(
  { tolerated }: VerdictLimits,
  legs: readonly { readonly eventType: string; readonly consumer: string }[],
): string {
  const strata = legs.map(({ eventType, consumer }) => ({ eventType, consumer, tolerated }));
  return `${JSON.stringify({ preset: 'atma', shadowPolicy: { strata } }, undefined, 2)}\n`;
}
