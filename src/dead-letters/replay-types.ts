/** What a replay takes and what it tells. */
import type { EventsError } from '../core/errors.js';
import type { ReceivedMessage } from '../core/message.js';

/**
 * Where dead letters go. `queue`: back to the queue that gave each of them up, by the default exchange, so that nobody
 * else gets it again. `exchange`: published again with the exchange and routing key they first had. A name: that queue.
 */
export type ReplayTarget =
  | { readonly kind: 'queue' }
  | { readonly kind: 'exchange' }
  | { readonly kind: 'name'; readonly queue: string };

export interface ReplayOptions {
  /** The dead-letter queue. */
  readonly queue: string;
  readonly target: ReplayTarget;
  /** Which dead letters. Default all. */
  readonly select?: (message: ReceivedMessage) => boolean;
  /** At most this many. Default: all that are there when the replay begins. */
  readonly limit?: number;
  /** Messages per second at most. Default: as fast as they are confirmed. */
  readonly rate?: number;
  /** Replay this many first and watch them; then twice as many, and so on. Default: no canary. */
  readonly canary?: CanaryOptions;
  /** Abort: what is claimed is brought to its end, the rest stays. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ReplayProgress) => void;
}

export interface CanaryOptions {
  /** Messages in the first batch. */
  readonly first: number;
  /** How long after each batch deaths are waited for, in milliseconds. Default 10,000. */
  readonly watchMs?: number;
  /** Share of the replayed that may die again, 0 to 1. Default 0.1. */
  readonly maxDeathRate?: number;
}

export interface ReplayProgress {
  /** Dead letters that were there when the replay began. */
  readonly total: number;
  /** Dead letters that have been looked at. */
  readonly seen: number;
  readonly replayed: number;
  readonly boomeranged: number;
}

/** Why dead letters stayed where they were: reason → how many. */
export type Skipped = { readonly [reason: string]: number };

/** Why a replay ended before its end. */
export type ReplayStop = 'interrupted' | 'canary' | 'errors' | 'broker';

export interface ReplayReport {
  /** Names the replay: for `--resume`, and in the header `x-replay` of every message it sent. */
  readonly id: string;
  readonly queue: string;
  /** Confirmed by the broker and gone from the dead-letter queue. */
  readonly replayed: number;
  /** Selected, and not sent. */
  readonly skipped: Skipped;
  /** Replayed messages that were seen to die again. */
  readonly boomeranged: number;
  /** Sent again because nobody could tell whether the first time had arrived. */
  readonly possibleDuplicates: number;
  /** Ready in the dead-letter queue at the end. */
  readonly left: number;
  readonly stopped?: ReplayStop;
  /** With `stopped`: what ended it. */
  readonly error?: EventsError;
}
