/**
 * How the flag came to where it is, by its audit trail. A stage that is reached in percentages is one move: the file changes
 * with each of them, and what was shown when it began still counts. Pure.
 */
import { type Position, progressOf, type Stage } from '../core/migration/stage.js';
import type { AuditEntry } from './audit.js';

/** A move that happened. */
export type DoneMove = Pick<AuditEntry, 'from' | 'to' | 'fileBefore' | 'fileAfter' | 'rollout'>;

/**
 * The moves, oldest first, by which the percentage of the present stage grew to what it is: from the last one that went
 * back or came from another stage on. Empty where the trail does not lead to the present file: it was written by hand,
 * or there is no trail.
 */
export function growthOf(
  audit: readonly (DoneMove & Pick<AuditEntry, 'action'>)[],
  file: string | null,
): readonly DoneMove[] {
  const done = audit.filter(({ action }) => action === 'done');
  const growth: DoneMove[] = [];
  let after = file;
  for (const move of done.toReversed()) {
    if (move.fileAfter === null || move.fileAfter !== after) break;
    if (progressOf(move.to) <= progressOf(move.from)) break;
    const [next] = growth;
    if (next !== undefined && next.to.stage !== move.to.stage) break;
    growth.unshift(move);
    after = move.fileBefore;
  }
  return growth;
}

/**
 * What the flag file may have been during a run that counts for a move to `to`: the present one; for a percentage that
 * grows, also what it was since that stage began, from right before. So one run carries a stage through its percentages,
 * and each new stage needs a new run.
 */
export function acceptedFlags(
  present: { readonly file: string | null; readonly position: Position },
  to: Position,
  growth: readonly DoneMove[],
): readonly (string | null)[] {
  const [first] = growth;
  if (first === undefined || to.stage !== present.position.stage) return [present.file];
  return [first.fileBefore, ...growth.map(({ fileAfter }) => fileAfter)];
}

/** The last of these moves that one rollout made; empty where the present position is not its doing. */
export function madeByRollout(growth: readonly DoneMove[], name?: string): readonly DoneMove[] {
  const isIts = ({ rollout }: DoneMove) => rollout !== null && (name === undefined || rollout === name);
  return growth.slice(growth.findLastIndex((move) => !isIts(move)) + 1);
}

/**
 * Where a rollout to `to` goes back to: where the flag is, unless the present percentage of that stage is the doing of a
 * rollout that was cut off. Of whatever name: who starts it again with other steps must not make its half-way the place
 * to go back to.
 */
export function rolloutOrigin(
  present: { readonly file: string | null; readonly position: Position },
  to: Stage,
  audit: Parameters<typeof growthOf>[0],
): Position {
  if (present.position.stage !== to) return present.position;
  return madeByRollout(growthOf(audit, present.file))[0]?.from ?? present.position;
}
