/** Whether somebody else wants the same. Pure. */
import type { Position } from '../core/migration/stage.js';
import { type GateCheck, notOk, ok } from './gate-check.js';
import { moveCommand, positionText } from './position-text.js';

/** A proposal of the audit trail. */
export interface Proposal {
  readonly by: string;
  /** ISO 8601. */
  readonly at: string;
  readonly to: Position;
  /** Hash of the flag file that it is about; null: no file. */
  readonly fileBefore: string | null;
  /** Name of the rollout that it is about; null: a single move. */
  readonly rollout: string | null;
}

export interface Proposals {
  /** Who moves the flag. */
  readonly by: string;
  /** Hash of the present flag file. */
  readonly file: string | null;
  readonly proposals: readonly Proposal[];
  /** Set for a step of a rollout. `beganWith`: hash of the flag file before its first step; undefined before that. */
  readonly rollout?: { readonly name: string; readonly beganWith: string | null | undefined };
  readonly now: number;
}

/** After a night nobody remembers what they agreed to. */
const MOST_AGE_MS = 24 * 3_600_000;

/**
 * A proposal counts for one move of one state of the flag file. In a rollout, that of the first step counts for the
 * others: nobody can be asked every half hour, and what may go wrong on the way is watched.
 */
export function checkSecondPerson(to: Position, facts: Proposals): GateCheck {
  const { by, proposals } = facts;
  const fitting = proposals.filter((each) => fits(each, to, facts));
  const other = fitting.findLast((each) => personOf(each.by) !== personOf(by));
  if (other !== undefined) return ok('second-person', `${other.by} wants it, too: proposed ${other.at}.`);
  const own = fitting.at(-1);
  const command = facts.rollout === undefined ? moveCommand(to) : 'the same flag rollout';
  return notOk(
    'second-person',
    own === undefined
      ? `Two people must want ${positionText(to)}, and nobody else has proposed it within 24 h for the flag as it is. The second one runs, within that time: ${command}`
      : `Only you have proposed ${positionText(to)} (${own.at}). Somebody else must run, within 24 h of that: ${command}`,
  );
}

function fits({ to, at, fileBefore, rollout }: Proposal, wanted: Position, facts: Proposals): boolean {
  if ((rollout ?? undefined) !== facts.rollout?.name) return false;
  if (facts.rollout?.beganWith !== undefined) return fileBefore === facts.rollout.beganWith;
  if (facts.now - Date.parse(at) > MOST_AGE_MS) return false;
  return to.stage === wanted.stage && to.percent === wanted.percent && fileBefore === facts.file;
}

/** `rina on worker-3` and `Rina on laptop` are one person. */
function personOf(by: string): string {
  return by
    .replace(/ on \S+$/, '')
    .trim()
    .toLowerCase();
}
