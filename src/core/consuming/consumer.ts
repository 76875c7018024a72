/** A running consumer, as services hold it. Made by `startConsumer`. */
import type { CircuitState } from './circuit.js';

export interface CloseOptions {
  /** Milliseconds that running handlers are waited for. Default 10,000. */
  readonly deadlineMs?: number;
}

export interface ConsumerState {
  readonly circuit: CircuitState;
  /** Handlers running. */
  readonly running: number;
  /** Deliveries in hand whose handler has not begun. */
  readonly waiting: number;
  /** Deliveries in hand that wait for their next attempt (only with `orderBy`; others wait in delay queues). */
  readonly resting: number;
  /** Deliveries in hand whose copy or record is under way, or held back: then `onTrouble` says why. */
  readonly held: number;
}

export interface RetryDepth {
  readonly queue: string;
  readonly delayMs: number;
  /** Events that wait in it. */
  readonly messages: number;
}

/** A running consumer. */
export interface Consumer {
  /** Takes no further deliveries once resolved; those in hand are handled. */
  stop(): Promise<void>;
  /**
   * Takes no more, hands back what has not begun and waits for what runs. What still runs at the deadline is told by its
   * `signal`, and handed back: it will be delivered again. Idempotent.
   */
  close(options?: CloseOptions): Promise<void>;
  /** Rejects when the consumer ended for good by itself (its queue is gone, say); never resolves before `close`. */
  readonly ended: Promise<void>;
  state(): ConsumerState;
  /** What waits in each delay queue, the shortest first. */
  retryDepths(): Promise<RetryDepth[]>;
}
