/** Why the verdict is what it is, in words for the person on call: what was seen, and what to do next. */
import { about, percent, plural, seconds, thousands, time } from './quantities.js';
import { ALPHA } from './sequential-test.js';
import type { Gap, LatencyResult, Stall, StratumResult, TestResult, Waiver } from './strata.js';

export type ReasonCode =
  /** UNSAFE */
  | 'both-applied'
  | 'too-many-bad'
  | 'too-many-late'
  /** INCONCLUSIVE */
  | 'doubt'
  | 'gap'
  | 'stalled'
  | 'nothing-to-judge'
  | 'all-waived'
  | 'no-traffic'
  | 'no-evidence'
  | 'more-legs-needed'
  | 'more-timely-legs-needed'
  /** for information, and all there is when SAFE */
  | 'waived'
  | 'shown'
  | 'shown-timely';

export interface Reason {
  /** `<event type> × <consumer>`; null when it is about the whole run. */
  readonly stratum: string | null;
  readonly code: ReasonCode;
  readonly text: string;
}

/** Waiting longer than this is no plan. */
const LONG_WAIT_MS = 30 * 86_400_000;
const RARE = 'If it is rare, give it a p0 of its own or a waiver (who, when, why).';

export function nameOf({ eventType, consumer }: Pick<StratumResult, 'eventType' | 'consumer'>): string {
  return `${eventType} × ${consumer}`;
}

export function bothApplied(stratum: StratumResult): Reason {
  const facts = plural(stratum.bothApplied, 'fact');
  return of(
    stratum,
    'both-applied',
    `both paths applied ${facts}: the effect happened twice. Let the consumer apply a fact once whichever path brings it, then start a new run.`,
  );
}

export function tooManyBad(stratum: StratumResult, test: TestResult): Reason {
  const next = 'The report lists them; mend the cause, then start a new run.';
  return isLatency(test)
    ? of(stratum, 'too-many-late', `${lateness(test)}; ${limit(test)}. ${next}`)
    : of(stratum, 'too-many-bad', `${badness(test)}; ${limit(test)}. ${next}`);
}

export function moreNeeded(stratum: StratumResult, test: TestResult): Reason {
  if (isLatency(test))
    return of(stratum, 'more-timely-legs-needed', `${lateness(test)}. ${wait(test, 'timely legs')}`);
  if (test.legs > 0) return of(stratum, 'more-legs-needed', `${badness(test)}. ${wait(test, 'clean legs')}`);
  const open = stratum.pending > 0 ? ` (${thousands(stratum.pending)} open)` : '';
  if (stratum.unjudged === 0)
    return of(stratum, 'no-traffic', `no leg has closed yet${open}. ${wait(test, 'clean legs')}`);
  return of(
    stratum,
    'no-evidence',
    `${plural(stratum.unjudged, 'leg')} closed${open}, and none is evidence: callbacks refused, missing or sent twice. ` +
      `The report says which, and what the receiver answered. ${wait(test, 'clean legs')}`,
  );
}

export function shown(stratum: StratumResult, test: TestResult): Reason {
  const proof = `Were ${percent(test.tolerated)} of them bad, at most ${percent(ALPHA)} of runs would ever look this good`;
  return isLatency(test)
    ? of(stratum, 'shown-timely', `${lateness(test)}. ${proof}.`)
    : of(stratum, 'shown', `${badness(test)}. ${proof}.`);
}

export function waived(stratum: StratumResult, { who, when, why }: Waiver): Reason {
  return of(stratum, 'waived', `waived by ${who} on ${when}: ${why}. ${capital(badness(stratum))}.`);
}

export function nothingToJudge(): Reason {
  const text = 'The mapping knows no event type and consumer to judge. Check the preset or the mapping.';
  return { stratum: null, code: 'nothing-to-judge', text };
}

export function allWaived(): Reason {
  const text = 'Every stratum is waived, so nothing is shown. Let at least one be judged by its legs.';
  return { stratum: null, code: 'all-waived', text };
}

export function doubted(all: readonly string[]): Reason[] {
  return all.map((text) => ({ stratum: null, code: 'doubt', text }));
}

/** One reason per source, however often it had a gap. */
export function gaps(all: readonly Gap[]): Reason[] {
  return [...new Set(all.map(({ source }) => source))].map((source) => {
    const own = all.filter((gap) => gap.source === source);
    const last = own.reduce((a, b) => (b.from >= a.from ? b : a));
    const until = last.to === null ? 'and lasts' : `to ${time(last.to)}`;
    const text =
      `${source} may have missed something ${plural(own.length, 'time')}, last ${last.from > 0 ? `from ${time(last.from)}` : 'from its beginning'} ${until}. ` +
      'A run with a gap cannot become SAFE: see why the source was cut off, then start a new run.';
    return { stratum: null, code: 'gap', text };
  });
}

export function stalled(all: readonly Stall[]): Reason[] {
  return all.map(({ source, since }) => {
    const how = since === null ? 'has told nothing yet' : `has told nothing since ${time(since)}`;
    const text = `${source} ${how}, so legs stay open. See that it runs and reaches its broker or upstream.`;
    return { stratum: null, code: 'stalled', text };
  });
}

function of(stratum: StratumResult, code: ReasonCode, text: string): Reason {
  return { stratum: nameOf(stratum), code, text: capital(text) };
}

function isLatency(test: TestResult): test is LatencyResult {
  return 'budgetMs' in test;
}

function badness({ legs, bad, interval }: TestResult): string {
  if (legs === 0) return 'no leg so far';
  return `${thousands(bad)} of ${plural(legs, 'leg')} bad${likely(bad, legs, interval)}`;
}

function lateness({ legs, bad, interval, budgetMs }: LatencyResult): string {
  const budget = `more than ${seconds(budgetMs)} after their callbacks`;
  if (legs === 0) return `no leg yet that tells whether events come ${budget}`;
  return `${thousands(bad)} of ${plural(legs, 'event')} came ${budget}${likely(bad, legs, interval)}`;
}

function likely(bad: number, legs: number, { low, high }: TestResult['interval']): string {
  const share = bad === 0 ? '' : `${percent(bad / legs)}, `;
  return ` (${share}95 % interval ${percent(low)} to ${percent(high)})`;
}

function limit({ tolerated, aimed }: TestResult): string {
  return `${percent(tolerated)} is no longer tolerated, ${percent(aimed)} is aimed for`;
}

function wait({ neededCleanLegs, neededMs, legsPerHour }: TestResult, what: string): string {
  const needed = `${thousands(neededCleanLegs)} more ${what} are needed`;
  if (legsPerHour === null) return `${needed}; it is too early to tell when.`;
  if (neededMs === null) return `${needed}, and none come at present. ${RARE}`;
  const rate = `${about(neededMs)} at the present ${thousands(legsPerHour)} per hour`;
  return `${needed}, ${rate}.${neededMs > LONG_WAIT_MS ? ` ${RARE}` : ''}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
