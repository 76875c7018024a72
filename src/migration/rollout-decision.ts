/**
 * Whether a rollout may go on. Pure. The first row that applies:
 *
 * | signal | action |
 * |---|---|
 * | the verdict is UNSAFE | back |
 * | dead letters grew by more than the limit since the rollout began | back |
 * | 20 legs or more closed since the step began, and a larger share of them than the limit is bad | back |
 * | the verdict is INCONCLUSIVE | pause |
 * | more messages than the limit wait in one of the queues | pause |
 * | any of these cannot be known | pause |
 * | otherwise | go |
 *
 * Back is for what the events did wrong; pause for what may be somebody else's doing, or nobody's.
 */
import type { Verdict } from '../shadow/verdict.js';
import type { Known } from './known.js';

/** What is seen between two steps. */
export interface RolloutSignals {
  /** With the legs that closed since the step began. */
  readonly shadow: Known<{ readonly verdict: Verdict; readonly legs: number; readonly bad: number }>;
  readonly queues: Known<{
    /** Dead letters more than when the rollout began. */
    readonly deadLetterGrowth: number;
    /** The fullest queue; undefined where there is none. */
    readonly fullest: { readonly queue: string; readonly ready: number } | undefined;
  }>;
}

export interface RolloutLimits {
  /** Dead letters that may come while it lasts. Default 0. */
  readonly deadLetterGrowth: number;
  /** Messages that may wait in one queue. Default 1,000. */
  readonly lag: number;
  /** Share of legs that may be bad within a step, 0 to 1. Default 0.01. */
  readonly errorRate: number;
}

export const DEFAULT_LIMITS: RolloutLimits = { deadLetterGrowth: 0, lag: 1_000, errorRate: 0.01 };

/** Of fewer, one bad leg would be a rate. */
const LEAST_LEGS = 20;

export interface StepDecision {
  readonly action: 'go' | 'pause' | 'back';
  /** In words; empty with `go`. Names in them come from outside. */
  readonly reasons: readonly string[];
}

export function decideStep(signals: RolloutSignals, limits: RolloutLimits): StepDecision {
  const back = reasonsToGoBack(signals, limits);
  if (back.length > 0) return { action: 'back', reasons: back };
  const pause = reasonsToPause(signals, limits);
  return pause.length > 0 ? { action: 'pause', reasons: pause } : { action: 'go', reasons: [] };
}

function reasonsToGoBack({ shadow, queues }: RolloutSignals, limits: RolloutLimits): string[] {
  const reasons: string[] = [];
  if (shadow.known) {
    const { verdict, legs, bad } = shadow.value;
    if (verdict === 'UNSAFE') reasons.push('the verdict is UNSAFE (atma-events shadow report says why)');
    if (legs >= LEAST_LEGS && bad / legs > limits.errorRate) {
      reasons.push(
        `${bad} of ${legs} legs since this step began are bad, more than ${percentText(limits.errorRate)} (atma-events shadow report lists them)`,
      );
    }
  }
  if (queues.known && queues.value.deadLetterGrowth > limits.deadLetterGrowth) {
    const { deadLetterGrowth } = queues.value;
    reasons.push(
      `${deadLetterGrowth} dead letters more than when the rollout began, and ${limits.deadLetterGrowth} may come (atma-events dlq list)`,
    );
  }
  return reasons;
}

function reasonsToPause({ shadow, queues }: RolloutSignals, limits: RolloutLimits): string[] {
  const reasons: string[] = [];
  if (!shadow.known) reasons.push(`${shadow.why}. ${shadow.todo}`);
  else if (shadow.value.verdict === 'INCONCLUSIVE') {
    reasons.push('the verdict is INCONCLUSIVE (atma-events shadow verdict says why)');
  }
  if (!queues.known) reasons.push(`the queues cannot be looked at: ${queues.why}. ${queues.todo}`);
  else if (queues.value.fullest !== undefined && queues.value.fullest.ready > limits.lag) {
    const { queue, ready } = queues.value.fullest;
    reasons.push(`${ready} messages wait in ${queue}, more than ${limits.lag}`);
  }
  return reasons;
}

function percentText(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}
