/** The steps of a replay, and what it needs from outside. */

export interface ReplayDeps {
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
  /** Resolves after `ms`, or earlier when the signal aborts. Default: timers. */
  readonly pause?: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** For the replay's id. Default `crypto.randomBytes`. */
  readonly randomBytes?: (size: number) => Buffer;
  /** Told at each step of each batch; for tests that end the process there. */
  readonly onStep?: (step: ReplayStep) => void;
}

/** In order; see docs/dead-letters.md, "States of a dead letter in a replay". */
export const REPLAY_STEPS = [
  'in-hand',
  'claimed',
  'published',
  'confirm-seen',
  'confirmed',
  'acked',
  'synchronised',
  'settled',
] as const;
export type ReplayStep = (typeof REPLAY_STEPS)[number];
