/** Collects what the gate judges by: from the flag file and its trail, the shadow run, and the broker. Changes nothing. */
import type { Position } from '../core/migration/stage.js';
import type { ShadowMapping } from '../core/shadow-mapping.js';
import type { ShadowPolicy } from '../core/shadow-policy.js';
import { compileMapping } from '../shadow/mapping.js';
import { type AuditEntry, readAudit } from './audit.js';
import { type Evidence, type EvidenceSource, readEvidence } from './evidence.js';
import { readFlagFile } from './flag-file.js';
import { positionOf } from './flag-state.js';
import { type GateFacts, needsEvidence } from './gate.js';
import type { Proposals } from './gate-second-person.js';
import type { VerdictFacts } from './gate-verdict.js';
import { type Known, knownFrom } from './known.js';
import { acceptedFlags, type DoneMove, growthOf, madeByRollout } from './present-move.js';
import { type KnownSystem, type Looking, lookAtQueues } from './queue-look.js';

/** Where the flag is, what it would be moved for, and whom to ask. */
export interface GateInput {
  /** Absolute path. */
  readonly flagFile: string;
  readonly to: Position;
  /** Undefined for a status, where nobody moves anything yet. */
  readonly reason: string | undefined;
  /** Who moves it. */
  readonly by: string;
  readonly forced?: boolean;
  /** See `MoveRequest`. */
  readonly samplePercent?: number;
  readonly deadLettersExplained?: string;
  readonly evidence: EvidenceSource;
  readonly policy: ShadowPolicy;
  readonly system: KnownSystem & { readonly shadow?: ShadowMapping };
  /** Asked only for moves that need it. Its own time limits hold. */
  readonly transport: Looking;
  readonly verdictMaxAgeMs: number;
  readonly secondPerson: boolean;
  /** Name of the rollout that the move is a step of; see `rolloutName`. */
  readonly rollout?: string;
  readonly now: () => number;
}

/** The facts, and the hash of the flag file that they are about: what `moveFlag` is to be given as `expected`. */
export interface CollectedFacts extends GateFacts {
  readonly file: string | null;
}

/**
 * Rejects with `flag-invalid` for a flag file that cannot be used, with `storage` for a trail that cannot. A broker or
 * a run that cannot be asked is a fact like any other.
 */
export async function collectGateFacts(input: GateInput): Promise<CollectedFacts> {
  const { flagFile, to, reason, forced = false, deadLettersExplained } = input;
  const { state, hash } = readFlagFile(flagFile);
  const from = positionOf(state);
  const { samplePercent } = state;
  const sample = { from: samplePercent, to: input.samplePercent ?? samplePercent };
  const basic = { from, to, sample, reason, forced, file: hash };
  if (!needsEvidence(basic)) return basic;
  const audit = readAudit(flagFile);
  const growth = growthOf(audit, hash);
  const queues = await knownFrom(
    () => lookAtQueues(input.transport, input.system),
    'See whether the broker is up, and whether --url names it.',
  );
  return {
    ...basic,
    verdict: await verdictFacts(input, acceptedFlags({ file: hash, position: from }, to, growth)),
    queues,
    ...(deadLettersExplained !== undefined && { deadLettersExplained }),
    ...(input.secondPerson && { secondPerson: proposalsIn(audit, growth, hash, input) }),
  };
}

/** What the verdict is judged by, where the flag file may have been one of `flags` during the run. */
export async function verdictFacts(
  {
    system,
    evidence,
    policy,
    flagFile,
    verdictMaxAgeMs,
    now,
  }: Pick<GateInput, 'system' | 'evidence' | 'policy' | 'flagFile' | 'verdictMaxAgeMs' | 'now'>,
  flags: readonly (string | null)[],
): Promise<VerdictFacts> {
  const found = await knownFrom(
    () => readEvidence(evidence, policy, now()),
    'See where shadow run keeps it: --store FILE.',
  );
  return {
    evidence: system.shadow === undefined ? NO_MAPPING : found,
    mapping: system.shadow === undefined ? '' : compileMapping(system.shadow, system.topology).digest,
    flags,
    flagFile,
    maxAgeMs: verdictMaxAgeMs,
    now: now(),
  };
}

const NO_MAPPING: Known<Evidence> = {
  known: false,
  why: 'the config does not say which callbacks the events replace',
  todo: 'Add a mapping as `shadow` to the config: docs/shadow.md explains it.',
};

function proposalsIn(
  audit: readonly AuditEntry[],
  growth: readonly DoneMove[],
  file: string | null,
  { by, rollout, now }: GateInput,
): Proposals {
  return {
    by,
    file,
    now: now(),
    proposals: audit.filter(({ action }) => action === 'proposal'),
    ...(rollout !== undefined && {
      rollout: { name: rollout, beganWith: madeByRollout(growth, rollout)[0]?.fileBefore },
    }),
  };
}
