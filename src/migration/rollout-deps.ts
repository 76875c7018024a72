/** A rollout with real parts: the flag file, its trail, the gate, and what is watched. */
import { readAudit } from './audit.js';
import { readFlagFile } from './flag-file.js';
import { moveFlag } from './flip.js';
import { evidenceOf, judgeMove } from './gate.js';
import { collectGateFacts, type GateInput } from './gate-facts.js';
import { rolloutOrigin } from './present-move.js';
import { type FlagNow, type RolloutDeps, type RolloutPlan, rolloutName } from './rollout-plan.js';
import { watchSignals } from './rollout-signals.js';

export interface RolloutInput extends Omit<GateInput, 'to' | 'reason' | 'forced' | 'rollout'> {
  readonly reason: string;
  /** See `MoveRequest`. */
  readonly samplePercent?: number;
}

/**
 * What `runRollout` needs, but for telling and waiting. The transport is asked again and again while it lasts. Rejects
 * with `flag-invalid`, `storage`.
 */
export async function rolloutDeps(
  plan: RolloutPlan,
  input: RolloutInput,
): Promise<Pick<RolloutDeps, 'read' | 'origin' | 'judge' | 'move' | 'signals' | 'now'>> {
  const { flagFile, by, reason, now, samplePercent } = input;
  const rollout = rolloutName(plan);
  const read = (): FlagNow => {
    const { state, hash } = readFlagFile(flagFile);
    const { stage, percent, changedBy } = state;
    return { position: { stage, percent }, hash, changedBy };
  };
  const { position, hash: file } = read();
  return {
    read,
    origin: rolloutOrigin({ position, file }, plan.to, readAudit(flagFile)),
    async judge(to) {
      const facts = await collectGateFacts({ ...input, to, rollout });
      const gate = judgeMove(facts);
      return { gate, file: facts.file, evidence: evidenceOf(facts, gate) };
    },
    move: ({ to, expected, because, evidence }) =>
      moveFlag({
        ...{ file: flagFile, to, expected, by, evidence, rollout, now },
        reason: because === undefined ? reason : `The rollout went back: ${because.join('; ')}`,
        forced: false,
        ...(samplePercent !== undefined && { samplePercent }),
      }),
    signals: await watchSignals(input),
    now,
  };
}
