/** What a drain takes and gives; see `drain`. */
import type { ReceivedMessage } from '../core/message.js';
import type { Delivery, Settlement } from '../core/transport.js';

export interface DrainOptions {
  readonly queue: string;
  /** Default: every message. */
  readonly select?: (message: ReceivedMessage) => boolean;
  /** Selected messages at most. */
  readonly limit?: number;
  /** Messages looked at, at most. Default: as many as are ready at the start. */
  readonly total?: number;
  /** Messages in the next batch, at most. Default 800. */
  readonly batchSize?: () => number;
  /** Batches in work at the same time. Default 3. */
  readonly inWork?: number;
  /** Messages in hand, about: in work and waiting for it. Default 2,000; fewer where bodies are large. */
  readonly window?: number;
  /** Abort: batches in work are finished, everything else goes back. */
  readonly signal?: AbortSignal;
  /**
   * Hashes of messages that an earlier run took and that may still be there. They count as taken, and are handed out
   * when they come, selected or not.
   */
  readonly before?: readonly string[];
  /**
   * Asked after a loss, and from the start with `before`: whether this is a message that was acked for good, and that
   * the broker has brought back. It is handed out, selected or not, and not counted a second time.
   */
  readonly cameBack?: (message: ReceivedMessage, hash: string) => boolean;
  /** What was in hand was lost with a connection, and comes again: awaited before any of it is looked at. */
  readonly afterLoss?: () => Promise<void>;
  /** Told whenever a batch is done. */
  readonly onSeen?: (seen: number, total: number) => void;
}

/** A message in hand. */
export interface Taken {
  readonly delivery: Delivery;
  /** See `messageHash`: twins have the same. */
  readonly hash: string;
  /** What `cameBack` said. */
  readonly cameBack: boolean;
}

export interface DrainBatch {
  readonly messages: readonly Taken[];
  /** Stays in the queue: goes back to its place at the end. Every message of a batch is settled or left. */
  leave(message: Taken): void;
  /** `settled`: none of the messages of this batch that were acked comes again while the broker lives. */
  synchronise(): Promise<Settlement>;
  /** How many messages came into the queue since the drain began. */
  grown(): Promise<number>;
}

export interface DrainResult {
  /** Ready at the start, or what `total` said. */
  readonly total: number;
  /** Looked at, each counted once. */
  readonly seen: number;
  /** Settled, and so gone from the queue. */
  readonly gone: number;
  /** `all`: everything that was there at the start (or somebody else took it). `stopped`: a handler said so. */
  readonly ended: 'all' | 'limit' | 'stopped' | 'aborted';
}
