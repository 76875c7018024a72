/** What a matcher must know after a restart beside its tracks. */
import { EventsError } from '../core/errors.js';
import type { StoredCounts } from './counts.js';
import type { Mapping } from './mapping.js';
import type { Gap } from './strata.js';
import type { SourceState } from './watermarks.js';

export interface MatcherState {
  /** Digest of the mapping: tokens mean nothing under another one. */
  readonly mapping: string;
  /** The caller's. */
  readonly note: string;
  readonly counts: StoredCounts;
  readonly watermarks: readonly SourceState[];
  readonly gaps: readonly Gap[];
  /** Per consumer: since when beginnings are seen there. */
  readonly begunSince: readonly (readonly [string, number])[];
  readonly nextSeq: number;
}

export function writeMatcherState(state: MatcherState): string {
  // JSON has no infinity: a source that has ended has told everything there is.
  return JSON.stringify(state, (_, value) => (value === Number.POSITIVE_INFINITY ? Number.MAX_VALUE : value));
}

/** Throws `usage` when the run was begun with another mapping. */
export function readMatcherState(text: string | undefined, mapping: Mapping): MatcherState | undefined {
  if (text === undefined) return undefined;
  const state = JSON.parse(text) as MatcherState;
  if (state.mapping === mapping.digest) return state;
  throw new EventsError('usage', 'The shadow run was begun with another mapping', {
    hint: 'What was compared by another mapping cannot be counted together: start a new run (another --store).',
  });
}
