/** The verdict on a run, from its summary: every stratum of the mapping is judged, with or without traffic. */
import type { StratumTally } from './counts.js';
import type { Leg } from './mapping.js';
import { checkPolicy, type ShadowPolicy, stratumPolicyOf } from './policy.js';
import type { RunSummary } from './run-summary.js';
import type { Stall, StratumCounts } from './strata.js';
import { type Judgement, judge } from './verdict.js';

const HOUR_MS = 3_600_000;
/** Of a shorter run nobody can tell what an hour brings. */
const SHORTEST_SPAN_MS = 60_000;

/** What is judged: the legs of a mapping, or of the counts of a run whose mapping is not at hand. */
export interface Judged {
  readonly legs: readonly Pick<Leg, 'eventType' | 'consumer' | 'route'>[];
}

/**
 * Lateness is judged by the budget that the run was counted with, whatever the policy has come to say since. Throws
 * `config-invalid` for a policy that does not fit the mapping.
 */
export function judgeRun(summary: RunSummary, policy: ShadowPolicy, mapping: Judged): Judgement {
  checkPolicy(policy, mapping);
  const hours = hoursOf(summary);
  const strata = mapping.legs.map((leg) => stratumOf(leg, summary, policy, hours));
  return judge({ strata, gaps: summary.gaps, stalled: stallsOf(summary), doubts: summary.doubts });
}

function hoursOf({ from, to }: RunSummary): number | null {
  return from === null || to === null || to - from < SHORTEST_SPAN_MS ? null : (to - from) / HOUR_MS;
}

function stratumOf(
  leg: Judged['legs'][number],
  { counts, budgetMs }: RunSummary,
  policy: ShadowPolicy,
  hours: number | null,
): StratumCounts {
  const { eventType, consumer } = leg;
  const tally: StratumTally | undefined = counts.strata.find(
    (each) => each.eventType === eventType && each.consumer === consumer,
  );
  const { tolerated, waiver } = stratumPolicyOf(policy, leg) ?? {};
  const test = ({ legs, bad }: { readonly legs: number; readonly bad: number }) => ({
    legs,
    bad,
    legsPerHour: hours === null ? null : legs / hours,
  });
  return {
    eventType,
    consumer,
    ...test(tally ?? { legs: 0, bad: 0 }),
    unjudged: tally?.unjudged ?? 0,
    pending: tally?.pending ?? 0,
    bothApplied: tally?.bothApplied ?? 0,
    ...(budgetMs !== null &&
      (tally?.latency ?? leg.route) !== undefined && {
        latency: { ...test(tally?.latency ?? { legs: 0, bad: 0 }), budgetMs },
      }),
    ...(tolerated !== undefined && { tolerated }),
    ...(waiver !== undefined && { waiver }),
  };
}

function stallsOf({ sources }: RunSummary): Stall[] {
  return sources
    .filter(({ stalledSince }) => stalledSince !== null)
    .map(({ source, watermark, stalledSince }) => ({
      source,
      since: watermark === null ? null : stalledSince,
    }));
}
