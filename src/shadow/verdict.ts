/**
 * May the callbacks go? The first row that applies:
 *
 * | what was seen | verdict |
 * |---|---|
 * | both paths applied one fact, in any stratum, waived or not | UNSAFE |
 * | 1/E ≥ m/β in any of m tests, waived or not | UNSAFE |
 * | a gap in collection, a source that has stalled, or another doubt | INCONCLUSIVE |
 * | a test of a stratum without waiver has E < 1/α (no legs: E = 1) | INCONCLUSIVE |
 * | every stratum is waived, or there is none | INCONCLUSIVE |
 * | otherwise: E ≥ 1/α in every test of every stratum without waiver, of which there is at least one | SAFE |
 *
 * SAFE needs no correction for many strata: it is said only if all of them say it, and the worst one says it wrongly
 * with probability α at most. UNSAFE is said if any says it, hence the m. The verdict is about the counts as they are
 * now: late arrivals that move counts may move it back.
 */
import {
  allWaived,
  bothApplied,
  doubted,
  gaps,
  moreNeeded,
  nothingToJudge,
  type Reason,
  shown,
  stalled,
  tooManyBad,
  waived,
} from './reasons.js';
import {
  type Gap,
  type LatencyResult,
  type Stall,
  type StratumCounts,
  type StratumResult,
  testStratum,
  testsIn,
} from './strata.js';

export type Verdict = 'SAFE' | 'UNSAFE' | 'INCONCLUSIVE';

/** All that the verdict depends on. */
export interface RunCounts {
  /** Every stratum that the mapping knows, also those without traffic. */
  readonly strata: readonly StratumCounts[];
  readonly gaps: readonly Gap[];
  readonly stalled: readonly Stall[];
  /** Why else nothing can be said for certain, in words. Default none. */
  readonly doubts?: readonly string[];
}

export interface Judgement {
  readonly verdict: Verdict;
  /** Why, the weightiest first; never empty. */
  readonly reasons: readonly Reason[];
  /** In the order they were given. */
  readonly strata: readonly StratumResult[];
  /**
   * How long until SAFE at the present rates if every leg from now on is good, in milliseconds: 0 when it is SAFE; null
   * when time alone does not bring it (UNSAFE, a gap, a stalled source, a doubt) or when nobody can tell.
   */
  readonly safeInMs: number | null;
}

/** Throws RangeError for counts that cannot be. */
export function judge(run: RunCounts): Judgement {
  const tests = testsIn(run.strata);
  const strata = run.strata.map((counts) => testStratum(counts, tests));
  const against = strata.flatMap(reasonsAgainst);
  const blocked = [...doubted(run.doubts ?? []), ...gaps(run.gaps), ...stalled(run.stalled)];
  const waiting = strata.filter(({ waiver }) => waiver === null).flatMap(reasonsToWait);
  const nothing = nothingShown(strata);
  const asides = strata.flatMap(reasonsFor);

  const verdict =
    against.length > 0
      ? 'UNSAFE'
      : blocked.length + waiting.length + nothing.length > 0
        ? 'INCONCLUSIVE'
        : 'SAFE';
  return {
    verdict,
    reasons: [...against, ...blocked, ...nothing, ...waiting, ...asides],
    strata,
    safeInMs: against.length + blocked.length + nothing.length > 0 ? null : longestWait(strata),
  };
}

function reasonsAgainst(stratum: StratumResult): Reason[] {
  return [
    ...(stratum.bothApplied > 0 ? [bothApplied(stratum)] : []),
    ...testsOf(stratum)
      .filter(({ finding }) => finding === 'unsafe')
      .map((test) => tooManyBad(stratum, test)),
  ];
}

function reasonsToWait(stratum: StratumResult): Reason[] {
  return testsOf(stratum)
    .filter(({ finding }) => finding === 'open')
    .map((test) => moreNeeded(stratum, test));
}

function reasonsFor(stratum: StratumResult): Reason[] {
  if (stratum.waiver !== null) return [waived(stratum, stratum.waiver)];
  return testsOf(stratum)
    .filter(({ finding }) => finding === 'safe')
    .map((test) => shown(stratum, test));
}

/** Waivers excuse single strata: where nothing at all is shown, the whole is not safe. */
function nothingShown(strata: readonly StratumResult[]): Reason[] {
  if (strata.length === 0) return [nothingToJudge()];
  return strata.every(({ waiver }) => waiver !== null) ? [allWaived()] : [];
}

function longestWait(strata: readonly StratumResult[]): number | null {
  let longest = 0;
  for (const stratum of strata.filter(({ waiver }) => waiver === null)) {
    for (const { neededMs } of testsOf(stratum)) {
      if (neededMs === null) return null;
      longest = Math.max(longest, neededMs);
    }
  }
  return longest;
}

function testsOf(stratum: StratumResult): (StratumResult | LatencyResult)[] {
  return stratum.latency === null ? [stratum] : [stratum, stratum.latency];
}
