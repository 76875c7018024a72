/**
 * May the flag be moved? Pure: the facts decide, and each check says what is and, where it is not in order, what to do.
 *
 * | move | step | reason | verdict | dead-letters | consumers | second-person |
 * |---|---|---|---|---|---|---|
 * | backward, or none | open at once | | | | | |
 * | a smaller sample in rampdown | open | needed | needed | needed | needed | where configured |
 * | forward to publish or shadow | needed | needed | | | | |
 * | forward to live or beyond | needed | needed | needed | needed | needed | where configured |
 *
 * | check | is in order when |
 * |---|---|
 * | step | at most one stage beyond the last one that all jobs have reached |
 * | reason | it holds more than blanks |
 * | verdict | SAFE, saved no longer ago than the limit, of the present mapping, and of a run during which the flag was not moved, but for moves that grow the present percentage |
 * | dead-letters | every dead-letter queue is empty, or what is in them was explained |
 * | consumers | every queue that gets the events is there and has a consumer |
 * | second-person | somebody else proposed the same move of the same file within 24 h, or the first step of this rollout |
 *
 * What cannot be known is not in order. Forced, the gate is open whatever the checks say, as long as there is a reason.
 */
import { type Position, rankOf } from '../core/migration/stage.js';
import { type GateCheck, notOk, ok } from './gate-check.js';
import { checkConsumers, checkDeadLetters } from './gate-queues.js';
import { checkSecondPerson, type Proposals } from './gate-second-person.js';
import { checkVerdict, type VerdictFacts } from './gate-verdict.js';
import type { Known } from './known.js';
import { type SampleChange, stepOf, thinsSample } from './position.js';
import { positionText } from './position-text.js';
import type { QueueLook } from './queue-look.js';

export interface GateResult {
  readonly to: Position;
  readonly open: boolean;
  readonly checks: readonly GateCheck[];
}

/** All that a move is judged by. */
export interface GateFacts {
  readonly from: Position;
  readonly to: Position;
  /** Undefined where it stays. */
  readonly sample?: SampleChange;
  /** Undefined where nobody moves anything yet (a status): then it is not asked for. */
  readonly reason: string | undefined;
  readonly forced: boolean;
  /** Undefined where the move does not need it: then nobody was asked. */
  readonly verdict?: VerdictFacts;
  readonly queues?: Known<QueueLook>;
  /** Why dead letters may lie there, in the words of whoever moves the flag. */
  readonly deadLettersExplained?: string;
  readonly secondPerson?: Proposals;
}

/** Whether events become authoritative for more jobs, or callbacks fewer: what the whole gate is for. */
export function needsEvidence({ from, to, sample }: Pick<GateFacts, 'from' | 'to' | 'sample'>): boolean {
  if (isForward(from, to) && rankOf(to.stage) >= rankOf('live')) return true;
  return sample !== undefined && thinsSample(from, to, sample);
}

function isForward(from: Position, to: Position): boolean {
  return stepOf(from, to).direction === 'forward';
}

export function judgeMove(facts: GateFacts): GateResult {
  const { from, to, forced } = facts;
  if (!isForward(from, to) && !needsEvidence(facts)) {
    return { to, open: true, checks: [ok('step', backText(from, to))] };
  }
  const reason = checkReason(facts);
  const checks = [
    checkStep(facts),
    ...(reason === undefined ? [] : [reason]),
    ...(needsEvidence(facts)
      ? [
          verdictOf(facts),
          ...queueChecks(facts),
          ...(facts.secondPerson === undefined ? [] : [checkSecondPerson(to, facts.secondPerson)]),
        ]
      : []),
  ];
  return { to, open: forced ? reason?.ok === true : checks.every((check) => check.ok), checks };
}

function checkStep({ from, to, sample }: GateFacts): GateCheck {
  const move = `From ${positionText(from)} to ${positionText(to)}`;
  if (!isForward(from, to)) {
    return ok(
      'step',
      `${move}, with the callbacks of ${sample?.to} % instead of ${sample?.from} % of the jobs.`,
    );
  }
  if (stepOf(from, to).allowed) return ok('step', `${move}: one step.`);
  return notOk(
    'step',
    `${move} is more than one step: ${
      from.percent === 100
        ? 'each stage in its turn shows what the next one relies on'
        : `not all jobs have reached ${from.stage} yet`
    }. Take the steps one by one, or skip them with flag set --force.`,
  );
}

function backText(from: Position, to: Position): string {
  const where = stepOf(from, to).direction === 'none' ? 'Still at' : 'Back to';
  return `${where} ${positionText(to)}: that needs nothing.`;
}

function checkReason({ reason }: GateFacts): GateCheck | undefined {
  if (reason === undefined) return undefined;
  if (reason.trim() !== '') return ok('reason', `Because: ${reason.trim()}`);
  return notOk('reason', 'No reason is given. Say why, for whoever reads the history: --reason "…".');
}

function verdictOf({ verdict }: GateFacts): GateCheck {
  if (verdict !== undefined) return checkVerdict(verdict);
  return notOk('verdict', 'Nobody looked at the verdict.');
}

function queueChecks({ queues, deadLettersExplained }: GateFacts): readonly GateCheck[] {
  if (queues?.known) {
    return [checkDeadLetters(queues.value, deadLettersExplained), checkConsumers(queues.value)];
  }
  const { why, todo } = queues ?? { why: 'nobody looked', todo: '' };
  const text = (what: string) => `${what} cannot be known: ${why}. ${todo}`.trim();
  return [
    notOk('dead-letters', text('What lies in the dead-letter queues')),
    notOk('consumers', text('Whether every queue has a consumer')),
  ];
}

/** Whether all that is missing is somebody else who wants the same. */
export function lacksOnlySecondPerson({ checks }: GateResult): boolean {
  return checks.every(({ check, ok }) => ok || check === 'second-person');
}

/** What the audit trail keeps of a decision: what was known, by value. Null where nothing was asked. */
export function evidenceOf(
  { verdict, queues, deadLettersExplained }: GateFacts,
  { checks }: GateResult,
): Readonly<Record<string, unknown>> | null {
  if (verdict === undefined && queues === undefined) return null;
  return {
    verdict: verdict?.evidence.known ? verdict.evidence.value : null,
    deadLetters: queues?.known ? queues.value.deadLetters : null,
    deadLettersExplained: deadLettersExplained ?? null,
    queues: queues?.known ? queues.value.bound : null,
    failed: checks.filter(({ ok }) => !ok).map(({ check, text }) => ({ check, text })),
  };
}
