/** What a flag file says, in our words. */
import { EventsError } from '../core/errors.js';
import type { Position, Stage } from '../core/migration/stage.js';

export interface FlagState {
  readonly stage: Stage;
  /** That share of the jobs is in the stage, 1 to 100, whole; the rest in the stage before it. */
  readonly percent: number;
  /** Share of the jobs whose callbacks `rampdown` still sends, 0 to 100, whole. */
  readonly samplePercent: number;
  /** Counts the moves. 0: none of ours has written the file. */
  readonly epoch: number;
  /** ISO 8601, UTC; null when nobody noted it. */
  readonly changedAt: string | null;
  readonly changedBy: string | null;
  readonly reason: string | null;
  /** Hash of the entry of the audit trail that wrote the file. */
  readonly audit: string | null;
}

/** Percent of the jobs. */
export const DEFAULT_SAMPLE = 10;

/** Without a flag file. */
export const NO_FLAG: FlagState = {
  stage: 'off',
  percent: 100,
  samplePercent: DEFAULT_SAMPLE,
  epoch: 0,
  changedAt: null,
  changedBy: null,
  reason: null,
  audit: null,
};

export const LONGEST_NAME = 200;
export const LONGEST_REASON = 1_000;

/** Blanks, controls, line ends, and marks that reorder or hide text; halves of characters, too. */
const UNFIT = /[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu;

/** A text as the flag file and the trail keep it: one line, trimmed, cut to `longest` characters. */
export function cleanText(text: string, longest: number): string {
  const line = text.replace(UNFIT, ' ').trim();
  const characters = Array.from(line);
  return characters.length <= longest ? line : `${characters.slice(0, longest - 1).join('')}…`;
}

export const positionOf = ({ stage, percent }: Position): Position => ({ stage, percent });

/** `flag-invalid`; `what` begins with what it is about: a path, a flag. */
export function flagInvalid(what: string, hint: string, cause?: unknown): EventsError {
  return new EventsError('flag-invalid', what, { hint, ...(cause !== undefined && { cause }) });
}
