/** The audit trail of a flag file: who moved it, when, from where to where, and why. docs/migration.md has its rules. */
import { EventsError, messageOf } from '../core/errors.js';
import type { Position } from '../core/migration/stage.js';
import { inTransaction } from '../storage/sqlite.js';
import { type AuditEntry, chainProblems, entryOf } from './audit-chain.js';
import { auditPathOf, openTrail, readTrail, type StoredTrail, type Trail, whileBusy } from './audit-file.js';
import {
  editsBetween,
  type FileLook,
  fileProblems,
  outcomeOf,
  type ToldEntry,
  told,
} from './audit-outcome.js';
import { fileHash } from './flag-document.js';
import { type FlagFile, locateFlagFile, readFlagBytes, readFlagFile } from './flag-file.js';
import { cleanText, LONGEST_NAME } from './flag-state.js';
import { type MoveRequest, planFlip } from './flip-plan.js';

export type { AuditAction, AuditEntry } from './audit-chain.js';
export { type FoundEdited, foundEdited, type ToldEntry } from './audit-outcome.js';

export interface AuditFindings {
  /** Moves and proposals in the trail. */
  readonly entries: number;
  /** What they are kept as: a move is two rows, its beginning and its end. */
  readonly rows: number;
  /** One sentence each; empty: nothing was tampered with. */
  readonly problems: readonly string[];
  /** What is worth knowing and no sign of tampering: the flag file was changed by hand before a move. */
  readonly notes: readonly string[];
}

const LOCK_TIMEOUT_MS = 10_000;

/**
 * The moves, each told as what it came to (`done`, `abandoned`), and the proposals, oldest first; empty where there is no
 * trail. Changes nothing: a move that was cut off has `settled: false`. Throws `storage`.
 */
export function readAudit(flagFile: string): readonly ToldEntry[] {
  const { trail, file } = lookAtBoth(flagFile);
  return told(entriesOf(trail), file);
}

/**
 * Where the last move had put a flag whose file is not there any more: services that run stay there. Undefined where they are
 * in `off` as those are that start now. Throws `storage`.
 */
export function goneFrom(flagFile: string): Position | undefined {
  const last = readAudit(flagFile).findLast(({ action }) => action === 'done');
  return last?.to.stage === 'off' ? undefined : last?.to;
}

/** Whether the trail holds together and the flag file is what its last move wrote. Throws `storage`. */
export function verifyAudit(flagFile: string): AuditFindings {
  const { trail, file } = lookAtBoth(flagFile);
  const entries = told(entriesOf(trail), file);
  return {
    entries: entries.length,
    rows: trail.rows.length,
    problems: [...chainProblems(trail.rows, trail.highest), ...fileProblems(entries, file)],
    notes: editsBetween(entries),
  };
}

/**
 * Records that `by` wants this move, for a second person to make it. Throws as `planMove` does, and `storage`. Holds up the
 * process while another has the trail's lock.
 */
export function recordProposal(request: Omit<MoveRequest, 'forced' | 'evidence'>): AuditEntry {
  const path = auditPathOf(request.file);
  const proposed = { ...request, forced: false, evidence: null };
  planFlip(proposed, 0); // a request that cannot be creates no trail
  const trail = whileBusy(LOCK_TIMEOUT_MS, () => openTrail(path));
  try {
    return whileBusy(LOCK_TIMEOUT_MS, () =>
      inTransaction(trail.database, () => {
        settle(trail, readFlagFile(locateFlagFile(request.file)), proposed);
        const { draft } = planFlip(proposed, trail.highestEpoch());
        const entry = trail.next({ ...draft, action: 'proposal' });
        trail.append(entry);
        return entry;
      }),
    );
  } finally {
    trail.database.close();
  }
}

/** Records the end of a move that was cut off. Inside a transaction, so that the flag file cannot change meanwhile. */
export function settle(
  trail: Trail,
  { state, hash }: FlagFile,
  { by, now }: Pick<MoveRequest, 'by' | 'now'>,
): void {
  const last = trail.last();
  if (last?.action !== 'move') return;
  const action = outcomeOf(last, { hash, audit: state.audit });
  const { seq: _seq, previous: _previous, hash: _hash, ...move } = last;
  const at = new Date(now()).toISOString();
  trail.append(trail.next({ ...move, action, evidence: null, by: cleanText(by, LONGEST_NAME), at }));
}

/** Flag file and trail of one moment: a move that is made meanwhile is seen in both or in neither. */
function lookAtBoth(flagFile: string): { readonly trail: StoredTrail; readonly file: FileLook } {
  for (;;) {
    const file = lookAt(flagFile);
    const trail = readTrail(auditPathOf(flagFile)) ?? { rows: [], highest: 0 };
    if (lookAt(flagFile).hash === file.hash) return { trail, file };
  }
}

function lookAt(flagFile: string): FileLook {
  try {
    const { state, hash } = readFlagFile(flagFile);
    return { hash, audit: state.audit, problem: null };
  } catch (error) {
    if (!(error instanceof EventsError)) throw error;
    return {
      hash: hashOfUnusable(flagFile),
      audit: null,
      problem: `The flag file cannot be used: ${messageOf(error)}`,
    };
  }
}

function hashOfUnusable(flagFile: string): string | null {
  try {
    const bytes = readFlagBytes(flagFile);
    return bytes === undefined ? null : fileHash(bytes);
  } catch {
    return null; // not readable at all; `problem` says so
  }
}

const entriesOf = ({ rows }: StoredTrail): AuditEntry[] =>
  rows.map(entryOf).filter((entry) => entry !== undefined);
