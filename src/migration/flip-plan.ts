/** What a move of the flag would do, decided about one state of the flag file. */
import { EventsError } from '../core/errors.js';
import type { Position } from '../core/migration/stage.js';
import { lineForPeople } from '../core/safe-text.js';
import type { AuditDraft, AuditEntry } from './audit-chain.js';
import { type FlagFile, locateFlagFile, readFlagText } from './flag-file.js';
import { cleanText, type FlagState, LONGEST_NAME, LONGEST_REASON, positionOf } from './flag-state.js';
import { requirePosition, requireSample } from './position.js';
import { positionText } from './position-text.js';

export interface MoveRequest {
  /** Path of the flag file; it need not be there. */
  readonly file: string;
  readonly to: Position;
  /** Default: as it is, without a file 10. */
  readonly samplePercent?: number;
  /** Hash of the file that the decision was made about; null: there was none. */
  readonly expected: string | null;
  /** A name for people to find each other by. */
  readonly by: string;
  /** May be empty. */
  readonly reason: string;
  readonly forced: boolean;
  readonly evidence: Readonly<Record<string, unknown>> | null;
  readonly rollout?: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface FlipPlan {
  /** Where the flag file really lies. */
  readonly file: string;
  readonly found: FlagFile & { readonly text: string | undefined };
  /** Without `audit`: that is the hash of an entry that is not written yet. */
  readonly after: FlagState;
  /** Without `fileAfter`, for the same reason. */
  readonly draft: AuditDraft;
}

/**
 * `highestEpoch`: of the moves that the trail knows. Throws `flag-moved` when the file is not the one that was decided about,
 * `flag-invalid`, and `usage` for a request that cannot be.
 */
export function planFlip(request: MoveRequest, highestEpoch: number): FlipPlan {
  const { to, expected, forced, now } = request;
  requirePosition(to);
  const by = cleanText(request.by, LONGEST_NAME);
  if (by === '') throw new EventsError('usage', 'Whoever moves the flag needs a name');
  const file = locateFlagFile(request.file);
  const found = readFlagText(file);
  if (found.hash !== expected) throw movedMeanwhile(found);
  const { state: before } = found;
  const { samplePercent = before.samplePercent } = request;
  requireSample(samplePercent);
  const at = new Date(now()).toISOString();
  const reason = cleanText(request.reason, LONGEST_REASON);
  const epoch = Math.max(before.epoch, highestEpoch) + 1;
  return {
    file,
    found,
    after: { ...positionOf(to), samplePercent, epoch, changedAt: at, changedBy: by, reason, audit: null },
    draft: {
      at,
      by,
      action: 'move',
      from: positionOf(before),
      to: positionOf(to),
      ...(samplePercent !== before.samplePercent && {
        sample: { from: before.samplePercent, to: samplePercent },
      }),
      epoch,
      reason,
      forced,
      rollout: request.rollout ?? null,
      evidence: request.evidence,
      fileBefore: found.hash,
      fileAfter: null,
    },
  };
}

const DECIDE_AGAIN = 'Nothing was changed. Look at `atma-events flag`, and decide again.';

/** `flag-moved`: who, when, to what. */
export function movedMeanwhile({ state, hash }: FlagFile): EventsError {
  const { changedBy, changedAt, reason } = state;
  const what =
    hash === null
      ? 'The flag file has been deleted meanwhile: the stage is off'
      : changedBy === null
        ? `The flag file has been written by hand meanwhile: it says ${positionText(state)}`
        : `The flag has been moved meanwhile: to ${positionText(state)} by ${changedBy}, ${changedAt ?? 'nobody knows when'}${reason ? `: ${reason}` : ''}`;
  return new EventsError('flag-moved', lineForPeople(what), {
    hint: DECIDE_AGAIN,
  });
}

/** `flag-moved`: somebody else's entry came after ours, before either had changed the file. */
export function begunMeanwhile(theirs: AuditEntry | undefined): EventsError {
  const who = theirs === undefined ? '' : ` by ${theirs.by}, ${theirs.at}`;
  return new EventsError('flag-moved', lineForPeople(`A move of the flag was begun meanwhile${who}`), {
    hint: DECIDE_AGAIN,
  });
}
