/** What the entries of the audit trail came to, by what the flag file says now. Pure. */
import type { AuditEntry } from './audit-chain.js';

/** The flag file at this moment. */
export interface FileLook {
  /** Null: there is none. */
  readonly hash: string | null;
  /** The entry that it says it was written by. */
  readonly audit: string | null;
  /** Why it cannot be used. */
  readonly problem: string | null;
}

/** An entry with what it came to. */
export interface ToldEntry extends AuditEntry {
  /** False: the move was cut off before its end was recorded, or is being made in this moment; who moves next records it. */
  readonly settled: boolean;
}

/**
 * | the flag file | the move is |
 * |---|---|
 * | has the hash after the move, or names its entry | done |
 * | anything else | abandoned |
 */
export function outcomeOf(
  move: AuditEntry,
  { hash, audit }: Pick<FileLook, 'hash' | 'audit'>,
): 'done' | 'abandoned' {
  return hash === move.fileAfter || audit === move.hash ? 'done' : 'abandoned';
}

/** One entry per move, told as what it came to, and the proposals. */
export function told(entries: readonly AuditEntry[], file: FileLook): readonly ToldEntry[] {
  return entries.flatMap((entry, index): ToldEntry[] => {
    if (entry.action === 'proposal') return [{ ...entry, settled: true }];
    if (entry.action !== 'move') return [];
    const end = entries[index + 1];
    if (end === undefined) return [{ ...entry, action: outcomeOf(entry, file), settled: false }];
    // Anything but an end is for verifying to find; that the file went on from there it cannot have.
    return [{ ...entry, action: end.action === 'done' ? 'done' : 'abandoned', settled: true }];
  });
}

/** What the flag file has against the trail; empty: it is what the last move wrote. */
export function fileProblems(entries: readonly ToldEntry[], file: FileLook): string[] {
  const moves = entries.filter(({ action }) => action === 'done');
  const last = moves.at(-1);
  if (file.problem !== null) return [file.problem];
  if (file.audit !== null && !moves.some(({ hash }) => hash === file.audit)) {
    return [
      'The flag file names an entry that is not in the trail: entries were removed or made anew, or the trail is that of another file.',
    ];
  }
  if (last === undefined) {
    return file.hash === null ? [] : ['The flag file was written by hand: no entry tells of it.'];
  }
  const wrote = `entry ${last.seq} (${last.at}, ${last.by})`;
  if (file.hash === null) return [`The flag file is gone; ${wrote} had written it.`];
  if (file.hash === last.fileAfter) return [];
  const older = moves.findLast(({ fileAfter }) => fileAfter === file.hash);
  if (older !== undefined) {
    return [`The flag file is that of entry ${older.seq}, put back by hand: ${wrote} came after it.`];
  }
  return [`The flag file was edited by hand after ${wrote}: its hash is that of no entry.`];
}

/** A move that found the file otherwise than the move before had left it. */
export interface FoundEdited {
  readonly move: ToldEntry;
  /** Undefined: it is the first move. */
  readonly before: ToldEntry | undefined;
}

/** Oldest first. */
export function foundEdited(entries: readonly ToldEntry[]): readonly FoundEdited[] {
  const moves = entries.filter(({ action }) => action === 'done');
  return moves.flatMap((move, index) => {
    const before = moves[index - 1];
    return move.fileBefore === (before?.fileAfter ?? null) ? [] : [{ move, before }];
  });
}

/** Told, and no problem: the file may be edited. */
export function editsBetween(entries: readonly ToldEntry[]): string[] {
  return foundEdited(entries).map(
    ({ move }) => `Entry ${move.seq} (${move.at}) found a flag file that had been changed by hand.`,
  );
}
