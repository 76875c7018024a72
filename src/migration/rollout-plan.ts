/** A rollout as data, and what it needs: what it does with that is in rollout.ts. */
import { type Position, progressOf, type Stage } from '../core/migration/stage.js';
import type { GateResult } from './gate.js';
import type { RolloutLimits } from './rollout-decision.js';
import type { SignalWatch } from './rollout-signals.js';

export interface RolloutPlan {
  readonly to: Stage;
  /** Percentages in growing order, each 1 to 100. */
  readonly steps: readonly number[];
  /** How long each step must be well before the next, in milliseconds. The last one is watched as long. */
  readonly everyMs: number;
  readonly limits: RolloutLimits;
}

/** Names a rollout in the audit trail; the same when it is started again. */
export function rolloutName({ to, steps, everyMs }: Pick<RolloutPlan, 'to' | 'steps' | 'everyMs'>): string {
  return `${to} ${steps.join(',')} every ${Math.round(everyMs / 1000)} s`;
}

/** The steps beyond a position. */
export function stepsBeyond(
  { to, steps }: Pick<RolloutPlan, 'to' | 'steps'>,
  position: Position,
): readonly Position[] {
  return steps
    .map((percent): Position => ({ stage: to, percent }))
    .filter((step) => progressOf(step) > progressOf(position));
}

/** Where the flag is. */
export interface FlagNow {
  readonly position: Position;
  /** Of the flag file; null: no file. */
  readonly hash: string | null;
  readonly changedBy: string | null;
}

export type RolloutEvent =
  | { readonly kind: 'moved'; readonly to: Position; readonly nextInMs: number }
  | { readonly kind: 'paused'; readonly at: Position; readonly reasons: readonly string[] }
  | { readonly kind: 'resumed'; readonly at: Position; readonly nextInMs: number }
  | { readonly kind: 'back'; readonly to: Position; readonly reasons: readonly string[] }
  /** Going back failed and is tried again. */
  | { readonly kind: 'trouble'; readonly text: string };

export type RolloutOutcome =
  /** Every step was taken, and the last one was well for as long as the others. */
  | { readonly kind: 'done'; readonly at: Position }
  /** The gate refused the first step. */
  | { readonly kind: 'refused'; readonly at: Position; readonly gate: GateResult }
  | { readonly kind: 'back'; readonly at: Position; readonly reasons: readonly string[] }
  /** Somebody else moved the flag: it stays where they put it. */
  | { readonly kind: 'moved'; readonly at: Position; readonly by: string | null }
  | { readonly kind: 'interrupted'; readonly at: Position; readonly paused: boolean };

export interface RolloutJudgement {
  readonly gate: GateResult;
  /** Hash of the flag file that the gate has seen. */
  readonly file: string | null;
  /** For the audit trail. */
  readonly evidence: Readonly<Record<string, unknown>> | null;
}

export interface RolloutMove extends Pick<RolloutJudgement, 'evidence'> {
  readonly to: Position;
  /** Hash of the flag file that the decision was about. */
  readonly expected: string | null;
  /** Why it goes back; undefined for a step. */
  readonly because?: readonly string[];
}

export interface RolloutDeps {
  /** Reads the flag file. Throws `flag-invalid` when it cannot be used, which ends the rollout. */
  readonly read: () => FlagNow;
  /** Where to go back to: where this rollout began, perhaps in a process before this one. */
  readonly origin: Position;
  /** The whole gate. */
  readonly judge: (to: Position) => Promise<RolloutJudgement>;
  /** Rejects with `flag-moved`. Resolves with the new hash of the flag file. */
  readonly move: (move: RolloutMove) => Promise<{ readonly hash: string }>;
  readonly signals: SignalWatch;
  readonly tell: (event: RolloutEvent) => void;
  readonly now: () => number;
  /** Resolves after so many milliseconds, and at once when the signal fires. Never rejects. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
  /** Milliseconds between two looks. Default 5,000. */
  readonly lookMs?: number;
}

/** What a rollout knows of the flag. */
export interface Stand {
  at: Position;
  hash: string | null;
  /** The flag is in the stage that the rollout leads to. */
  taken: boolean;
}
