/** What a rehearsal says in the end. Field names are a public contract. */

import type { FaultReport } from './inject.js';
import type { EffectCounts, Judgement, LegCounts } from './judge.js';
import type { VerdictLimits } from './limits.js';
import type { MoveReport } from './moving.js';
import type { RehearsalPlan } from './scene.js';
import type { StageReport, VerdictReport, WalkLog } from './walk.js';
import type { AuditReport, DeadLetterReport, WindUpReport } from './winding-up.js';

export interface LegReport extends LegCounts {
  /** From the beginning of the move to it; null where it was not gone through to its end. */
  readonly tookMs: number | null;
  readonly verdict: VerdictReport | null;
  readonly exactlyOnce: boolean;
  /** Milliseconds until the first callback or event was sent in it; null for the first, which nobody moved to. */
  readonly seenMs: number | null;
}

export interface RehearsalReport {
  /** Everything is as it should be. */
  readonly ok: boolean;
  /** `embedded`, `amqp`, `amqps`. */
  readonly broker: string;
  readonly address: string;
  readonly startedAt: string;
  readonly tookMs: number;
  readonly limits: VerdictLimits;
  readonly facts: number;
  readonly effects: EffectCounts & { readonly stray: number };
  readonly exactlyOnce: boolean;
  readonly stages: readonly LegReport[];
  readonly faults: readonly FaultReport[];
  readonly moves: readonly MoveReport[];
  readonly cutOverMs: number | null;
  readonly deadLetters: DeadLetterReport;
  readonly audit: Omit<AuditReport, 'forced'>;
  /** What is not as it should be, in words. */
  readonly problems: readonly string[];
}

export interface ReportInput {
  readonly plan: RehearsalPlan;
  readonly log: WalkLog;
  readonly end: WindUpReport | undefined;
  readonly judgement: Judgement;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly broker: string;
  readonly address: string;
  readonly problems: readonly string[];
}

export function reportOf(input: ReportInput): RehearsalReport {
  const { plan, log, end, judgement, startedAt, endedAt, broker, address, problems } = input;
  const moves = [...log.moves, ...(end?.back ? [end.back] : [])];
  const { begunAt, completeAt } = log;
  return {
    ok: problems.length === 0,
    ...{ broker, address, startedAt: new Date(startedAt).toISOString(), tookMs: endedAt - startedAt },
    limits: plan.limits,
    ...{ facts: judgement.facts, effects: judgement.effects, exactlyOnce: judgement.exactlyOnce },
    stages: judgement.legs.map((leg) => legReport(leg, log.stages, moves)),
    faults: log.faults,
    moves,
    cutOverMs: begunAt === undefined || completeAt === undefined ? null : completeAt - begunAt,
    deadLetters: end?.deadLetters ?? { replayed: 0, purged: 0, left: 0 },
    audit: { entries: end?.audit.entries ?? 0, problems: end?.audit.problems ?? [] },
    problems,
  };
}

function legReport(leg: LegCounts, stages: readonly StageReport[], moves: readonly MoveReport[]): LegReport {
  const stage = stages.find((each) => each.leg === leg.leg);
  return {
    ...leg,
    tookMs: stage?.tookMs ?? null,
    verdict: stage?.verdict ?? null,
    exactlyOnce: leg.right === leg.expected,
    seenMs: moves.find(({ to }) => to === leg.leg)?.seenMs ?? null,
  };
}
