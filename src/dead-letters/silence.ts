/** Tells when a queue hands out nothing more: nothing comes, and the broker says that it is empty. */
import { EventsError, queueMissing } from '../core/errors.js';
import type { QueueCounts } from '../core/transport.js';

export interface SilenceOptions {
  readonly queue: string;
  readonly counts: () => Promise<QueueCounts | undefined>;
  /** False while nothing can come, because this side has no room or is busy. */
  readonly isListening: () => boolean;
  readonly onEmpty: () => void;
  /** `queue-missing`; `timeout` when messages are there and do not come; what `counts` rejects with. */
  readonly onFailure: (error: unknown) => void;
}

/** Nothing came for this long: the broker is asked. */
const SILENCE_MS = 100;
/** Messages that are ready for this long, and not handed out, are not meant for this consumer. */
const PATIENCE_MS = 30_000;

export class Silence {
  /** Answers in a row that said empty. Twice: what the queue has just handed out may still be on its way. */
  #zeros = 0;
  #silentMs = 0;
  #broken = false;
  #asking = false;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(private readonly options: SilenceOptions) {
    this.#timer = setInterval(() => void this.#ask(), SILENCE_MS);
  }

  get isEmpty(): boolean {
    return this.#zeros >= 2;
  }

  /** Something came. */
  break(): void {
    this.#broken = true;
    this.#zeros = 0;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    if (this.#broken || !this.options.isListening()) {
      this.#broken = false;
      this.#silentMs = 0;
      return;
    }
    this.#asking = true;
    try {
      const counts = await this.options.counts();
      if (!this.#broken) this.#hear(counts);
    } catch (error) {
      this.options.onFailure(error);
    } finally {
      this.#asking = false;
    }
  }

  #hear(counts: QueueCounts | undefined): void {
    const { queue, onEmpty, onFailure } = this.options;
    this.#silentMs += SILENCE_MS;
    if (counts === undefined) {
      onFailure(queueMissing(queue));
    } else if (counts.ready === 0 && counts.consumers > 0) {
      this.#zeros++;
      if (this.isEmpty) onEmpty();
    } else {
      // Without consumers this one is not there yet, and of a quorum queue that has no leader RabbitMQ tells zeros only.
      this.#zeros = 0;
      if (this.#silentMs >= PATIENCE_MS) onFailure(notServed(queue));
    }
  }
}

function notServed(queue: string): EventsError {
  return new EventsError('timeout', `"${queue}" has messages, but hands none of them out to this process`, {
    hint: 'Another consumer is served first (single active consumer, consumer priorities): stop it and try again.',
  });
}
