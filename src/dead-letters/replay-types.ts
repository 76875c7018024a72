/** What a replay takes and what it tells. */
import type { EventsError } from '../core/errors.js';
import type { OutgoingMessage, ReceivedMessage } from '../core/message.js';

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
  /** What `select` selects, in the caller's own words (JSON, say): kept in the ledger, given back by `find`. */
  readonly criteria?: string;
  /** Changes what is sent (`dlq edit`): must give the same for the same message, also when the replay is resumed. */
  readonly edit?: (outgoing: OutgoingMessage, original: ReceivedMessage) => OutgoingMessage;
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

/** What a resumed replay takes from its caller; queue, target and limit are in the ledger. */
export type ResumeOptions = Pick<
  ReplayOptions,
  'select' | 'edit' | 'rate' | 'canary' | 'signal' | 'onProgress'
>;

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

/**
 * Why a selected dead letter stayed where it was.
 *
 * | reason | because |
 * |---|---|
 * | `no-target` | nothing tells where it came from: only a named target can take it |
 * | `own-queue` | it would go to the dead-letter queue that it is in |
 * | `queue-missing` | the queue it belongs to does not exist |
 * | `exchange-missing` | the exchange it belongs to does not exist |
 * | `unroutable` | no queue is bound for it |
 * | `publish-refused` | the broker refused it (a full queue, a disk limit) |
 */
export const SKIP_REASONS = [
  'no-target',
  'own-queue',
  'queue-missing',
  'exchange-missing',
  'unroutable',
  'publish-refused',
] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

/** Why dead letters stayed where they were: reason → how many. */
export type Skipped = { readonly [reason in SkipReason]?: number };

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
  /** With a canary: replayed messages that wait in delay queues for a retry. They have failed, and counted as such. */
  readonly waiting?: number;
  /** With a canary: replayed messages that no consumer has taken while it watched. They prove nothing. */
  readonly untaken?: number;
  /** Ready in the dead-letter queue at the end. */
  readonly left: number;
  /**
   * How deaths were watched: `copies` of what is dead-lettered (exact), or the queue's `depth`, where the dead letters
   * came by the default exchange or may not be copied (then what others dead-letter meanwhile counts, too).
   */
  readonly watched: 'copies' | 'depth';
  readonly stopped?: ReplayStop;
  /** With `stopped`: what ended it. */
  readonly error?: EventsError;
}
