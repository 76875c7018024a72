/** What the recorder and its thread say to each other. Plain data. */
import type { ErrorCode } from '../core/errors.js';
import type { RecordingOptions } from './recording.js';
import type { FilePlaces, RunItem } from './run-item.js';
import type { RunSummary } from './run-summary.js';

export interface ThreadOptions extends RecordingOptions {
  /** Milliseconds between two checkpoints, and before a store that failed is opened again. */
  readonly everyMs: number;
}

export type ToThread =
  /** `opening`: the last that its sender had heard of. Items from before the present one are passed over. */
  | {
      readonly type: 'items';
      readonly opening: number;
      readonly items: readonly RunItem[];
      readonly size: number;
    }
  /** The last message: makes everything last. */
  | { readonly type: 'end' };

export type FromThread =
  /**
   * It records. After trouble too: every source is then down until it is said to be up, and files are to be read from
   * these places on. `opening` counts.
   */
  | { readonly type: 'opened'; readonly opening: number; readonly places: FilePlaces }
  | { readonly type: 'taken'; readonly count: number; readonly size: number }
  | { readonly type: 'saved'; readonly summary: RunSummary }
  /** What was not saved is lost, and so is what comes until it has opened again. */
  | { readonly type: 'trouble'; readonly error: PlainError }
  /** It will not record: the store is somebody else's, or of another mapping. */
  | { readonly type: 'refused'; readonly error: PlainError }
  /** `saved`: the last checkpoint was made, too. */
  | { readonly type: 'ended'; readonly saved: boolean };

export interface PlainError {
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly hint: string | undefined;
}
