/**
 * What a rollout does between two steps:
 *
 * ```
 *            signals well, a whole `everyMs` long, and the gate is open
 *  watching ───────────────────────────────────────────────────────────> next step
 *    │  ▲
 *    │  │ signals well, and the gate open where that was the reason: the time begins anew
 *    ▼  │
 *  paused: the flag stays
 *
 *  from either: UNSAFE, dead letters, errors ──> going back, tried until it is done
 *               the flag was moved by somebody else, or an interrupt ──> the end: the flag stays
 * ```
 */
import { EventsError, isEventsError } from '../core/errors.js';
import type { Position } from '../core/migration/stage.js';
import { decideStep } from './rollout-decision.js';
import type { RolloutDeps, RolloutMove, RolloutOutcome, RolloutPlan, Stand } from './rollout-plan.js';

/** Milliseconds between two looks. */
const LOOK_MS = 5_000;
/** A process that was stopped has not looked: the time counts for nothing. Milliseconds. */
const STOPPED_MS = 60_000;

/** Resolves with nothing once `next` is taken or, without one, the time is over; else with how the rollout ended. */
export async function watchStep(
  plan: RolloutPlan,
  deps: RolloutDeps,
  stand: Stand,
  next: Position | undefined,
): Promise<RolloutOutcome | undefined> {
  let looked = deps.now();
  let wellSince = looked;
  let paused: string | undefined;
  let atGate = false;
  let gateSaw: RolloutMove['evidence'] = null;
  let goingBack: readonly string[] | undefined;

  const pause = (reasons: readonly string[]) => {
    // What was interrupted looks like a broker that is away.
    if (deps.signal.aborted) return;
    // Numbers change with every look; what they are about does not.
    const about = reasons.join(' ').replace(/\d+/g, '#');
    if (about !== paused) deps.tell({ kind: 'paused', at: stand.at, reasons });
    paused = about;
  };
  const lookAround = async () => {
    const { action, reasons } = decideStep(await deps.signals.look(), plan.limits);
    const before = looked;
    looked = deps.now();
    if (looked - before > STOPPED_MS) wellSince = looked;
    if (action === 'pause') pause(reasons);
    // Decided once: what went wrong is not undone by a later look.
    if (action === 'back') goingBack = reasons;
    return action === 'go';
  };
  /** Whether the gate lets the next step pass; without one there is none. */
  const isOpen = async () => {
    if (next === undefined) return true;
    const { gate, file, evidence } = await deps.judge(next);
    if (file !== stand.hash) throw moved();
    gateSaw = evidence;
    atGate = !gate.open;
    if (atGate) pause(gate.checks.filter(({ ok }) => !ok).map(({ text }) => text));
    return gate.open;
  };
  /** True once there is nothing left to do here. */
  const goOn = async () => {
    if (paused !== undefined) {
      if (atGate && !(await isOpen())) return false;
      paused = undefined;
      wellSince = looked;
      deps.tell({ kind: 'resumed', at: stand.at, nextInMs: plan.everyMs });
    }
    if (looked - wellSince < plan.everyMs || !(await isOpen())) return false;
    if (next !== undefined && !deps.signal.aborted) await take(plan, deps, stand, next, gateSaw);
    return true;
  };

  for (;;) {
    await deps.wait(deps.lookMs ?? LOOK_MS, deps.signal);
    if (deps.signal.aborted) return { kind: 'interrupted', at: stand.at, paused: paused !== undefined };
    try {
      if (deps.read().hash !== stand.hash) throw moved();
      if (goingBack === undefined && (await lookAround()) && (await goOn())) {
        return deps.signal.aborted ? { kind: 'interrupted', at: stand.at, paused: false } : undefined;
      }
      if (goingBack !== undefined) return await goBack(deps, stand, goingBack);
    } catch (error) {
      if (!isEventsError(error)) throw error;
      if (error.code === 'flag-moved') return movedAway(deps);
      if (goingBack === undefined) pause([textOf(error)]);
      else deps.tell({ kind: 'trouble', text: `Going back failed, and is tried again: ${textOf(error)}` });
    }
  }
}

/** Moves the flag to the step. Rejects with what `move` rejects with. */
export async function take(
  plan: RolloutPlan,
  deps: RolloutDeps,
  stand: Stand,
  step: Position,
  evidence: RolloutMove['evidence'],
): Promise<void> {
  const { hash } = await deps.move({ to: step, expected: stand.hash, evidence });
  Object.assign(stand, { at: step, hash, taken: true });
  deps.tell({ kind: 'moved', to: step, nextInMs: plan.everyMs });
  await deps.signals.stepBegins();
}

/** Somebody else has the flag now. */
export function movedAway({ read }: Pick<RolloutDeps, 'read'>): RolloutOutcome {
  const { position, changedBy } = read();
  return { kind: 'moved', at: position, by: changedBy };
}

async function goBack(
  { move, origin, tell }: RolloutDeps,
  stand: Readonly<Stand>,
  reasons: readonly string[],
): Promise<RolloutOutcome> {
  const isThere = origin.stage === stand.at.stage && origin.percent === stand.at.percent;
  if (!isThere) {
    await move({ to: origin, expected: stand.hash, because: reasons, evidence: { because: reasons } });
  }
  tell({ kind: 'back', to: origin, reasons });
  return { kind: 'back', at: origin, reasons };
}

function moved(): EventsError {
  return new EventsError('flag-moved', 'Somebody else moved the flag');
}

function textOf({ message, hint }: EventsError): string {
  return hint === undefined ? message : `${message.replace(/\.$/, '')}. ${hint}`;
}
