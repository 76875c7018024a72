/**
 * Moves the flag: an entry in the trail first, then the file, then the entry's end. Killed at any moment it leaves the old file
 * or the new one, and whoever comes next can tell which. docs/migration.md has each step with what it leaves behind.
 */
import { mkdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { retryWhileBusy } from '../storage/busy.js';
import { storageError } from '../storage/errors.js';
import { replaceFile } from '../storage/replace-file.js';
import { inTransaction } from '../storage/sqlite.js';
import { settle } from './audit.js';
import type { AuditEntry } from './audit-chain.js';
import { entryOf } from './audit-chain.js';
import { auditPathOf, openTrail, readTrail, type Trail } from './audit-file.js';
import { fileHash, readFlag, writeFlag } from './flag-document.js';
import { locateFlagFile, readFlagFile } from './flag-file.js';
import type { FlagState } from './flag-state.js';
import { begunMeanwhile, type FlipPlan, type MoveRequest, movedMeanwhile, planFlip } from './flip-plan.js';

export type { MoveRequest } from './flip-plan.js';

export interface MoveResult {
  readonly before: FlagState;
  readonly after: FlagState;
  /** SHA-256 of the flag file as it is now. */
  readonly hash: string;
  /** The entry of the trail, told as `done`. */
  readonly entry: AuditEntry;
}

/** In this order. */
export const FLIP_STEPS = [
  ...['opened', 'locked', 'settled', 'planned', 'noted', 'committed'],
  ...['locked-again', 'beside', 'renamed', 'flushed', 'ended', 'finished'],
] as const;

export type FlipStep = (typeof FLIP_STEPS)[number];

export interface FlipDeps {
  /** Told after each step; what it throws ends the move there. */
  readonly step?: (step: FlipStep) => void;
  /** How long to wait while others move the flag, in milliseconds. Default 10,000. */
  readonly lockTimeoutMs?: number;
}

/** A move that is in the trail, and not yet in the file. */
interface Noted extends FlipPlan {
  readonly entry: AuditEntry;
  readonly after: FlagState;
  readonly text: string;
  readonly hash: string;
}

/**
 * Rejects with `flag-moved` when the file is not the one that was decided about (who, when, to what), `flag-invalid`, `storage`
 * and `usage`; the file is then what it was before. Does not ask the gate.
 */
export async function moveFlag(request: MoveRequest, deps: FlipDeps = {}): Promise<MoveResult> {
  const { step = () => {}, lockTimeoutMs = 10_000 } = deps;
  planFlip(request, 0); // a request that cannot be creates nothing
  makeFolderOf(locateFlagFile(request.file));
  const path = auditPathOf(request.file);
  const waiting = <T>(attempt: () => T) => retryWhileBusy(path, lockTimeoutMs, attempt);
  const trail = await waiting(() => openTrail(path));
  try {
    step('opened');
    const noted = await waiting(() => inTransaction(trail.database, () => note(trail, request, step)));
    step('committed');
    await waiting(() => carryOut(trail, noted, request, step)).catch(async (error: unknown) => {
      await waiting(() => giveUp(trail, noted, request)).catch(() => {
        // A disk that is full takes no end either; the next move records it.
      });
      throw error;
    });
    step('finished');
    const { found, after, hash, entry } = noted;
    return { before: found.state, after, hash, entry: { ...entry, action: 'done' } };
  } finally {
    trail.database.close();
  }
}

/** What `moveFlag` would do, with all its checks; changes nothing. `audit` of what comes after is not known yet. */
export function planMove(request: MoveRequest): Pick<MoveResult, 'before' | 'after'> {
  const rows = readTrail(auditPathOf(request.file))?.rows ?? [];
  const epochs = rows.map(entryOf).map((entry) => (entry?.action === 'done' ? entry.epoch : 0));
  const { found, after } = planFlip(request, Math.max(0, ...epochs));
  readFlag(writeFlag(found.text, after));
  return { before: found.state, after };
}

/** The write-ahead entry. Inside a transaction. */
function note(trail: Trail, request: MoveRequest, step: (step: FlipStep) => void): Noted {
  step('locked');
  const file = locateFlagFile(request.file);
  settle(trail, readFlagFile(file), request);
  step('settled');
  const plan = planFlip(request, trail.highestEpoch());
  const bare = trail.next(plan.draft);
  const after = { ...plan.after, audit: bare.hash };
  const text = writeFlag(plan.found.text, after);
  readFlag(text, file); // what could not be read back must not get there
  const hash = fileHash(Buffer.from(text));
  step('planned');
  const entry = { ...bare, fileAfter: hash };
  trail.append(entry);
  step('noted');
  return { ...plan, after, text, hash, entry };
}

/** The file, and the end of the entry, while the lock is held. */
function carryOut(trail: Trail, noted: Noted, request: MoveRequest, step: (step: FlipStep) => void): void {
  const { file, found, text } = noted;
  let isWritten = false;
  try {
    inTransaction(trail.database, () => {
      step('locked-again');
      const present = readFlagFile(file);
      if (present.hash !== found.hash) throw movedMeanwhile(present);
      const last = trail.last();
      if (last?.hash !== noted.entry.hash) throw begunMeanwhile(last);
      replaceFile(file, text, {
        // One name for all: who was killed leaves one such file, and the next one writes over it.
        beside: `.${basename(file)}.tmp`,
        step(done) {
          isWritten ||= done === 'renamed';
          step(done);
        },
      });
      settle(trail, { state: noted.after, hash: noted.hash }, request);
      step('ended');
    });
  } catch (error) {
    // The file says that the flag was moved, and the file decides. The next move records the end.
    if (!isWritten) throw error;
  }
}

/** The end of a move that failed, while nobody has come in between. */
function giveUp(trail: Trail, { file, entry }: Noted, request: MoveRequest): void {
  inTransaction(trail.database, () => {
    if (trail.last()?.hash === entry.hash) settle(trail, readFlagFile(file), request);
  });
}

function makeFolderOf(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
  } catch (error) {
    throw storageError(file, error);
  }
}
