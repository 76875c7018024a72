/**
 * A guarded rollout: one stage in growing percentages, watched between them. The flag file is all its state: killed, it
 * leaves the flag where it is, and started again it goes on from there. docs/migration.md draws its states.
 */
import { isEventsError } from '../core/errors.js';
import type { Position } from '../core/migration/stage.js';
import {
  type RolloutDeps,
  type RolloutOutcome,
  type RolloutPlan,
  type Stand,
  stepsBeyond,
} from './rollout-plan.js';
import { movedAway, take, watchStep } from './rollout-watch.js';

/**
 * Takes the steps that are left, each after the one before was well for a whole `everyMs`, and watches the last one as
 * long. Rejects with what `read`, `judge` and `move` reject with until the first step is taken; after that such an error
 * makes it pause, for a rollout that has ended watches nothing any more. `flag-moved` is an outcome.
 */
export async function runRollout(plan: RolloutPlan, deps: RolloutDeps): Promise<RolloutOutcome> {
  const { position, hash } = deps.read();
  const stand: Stand = { at: position, hash, taken: position.stage === plan.to };
  // What came before is watched for a whole time anew: nobody knows how it went.
  if (stand.taken) await deps.signals.stepBegins();
  for (const step of stepsBeyond(plan, position)) {
    const ended = stand.taken
      ? await watchStep(plan, deps, stand, step)
      : await takeFirst(plan, deps, stand, step);
    if (ended !== undefined) return ended;
  }
  const ended = stand.taken ? await watchStep(plan, deps, stand, undefined) : undefined;
  return ended ?? { kind: 'done', at: stand.at };
}

async function takeFirst(
  plan: RolloutPlan,
  deps: RolloutDeps,
  stand: Stand,
  step: Position,
): Promise<RolloutOutcome | undefined> {
  const { gate, file, evidence } = await deps.judge(step);
  if (deps.signal.aborted) return { kind: 'interrupted', at: stand.at, paused: false };
  if (file !== stand.hash) return movedAway(deps);
  if (!gate.open) return { kind: 'refused', at: stand.at, gate };
  try {
    await take(plan, deps, stand, step, evidence);
    return undefined;
  } catch (error) {
    if (!isEventsError(error, 'flag-moved')) throw error;
    return movedAway(deps);
  }
}
