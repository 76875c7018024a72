/** Keeps a pace in small slices: at 100 a second five every 50 ms, and not a hundred at once. */

export interface PacerDeps {
  /** Milliseconds, never going back. */
  readonly now: () => number;
  readonly pause: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Once aborted, nothing is held back: what is claimed has to come to its end. */
  readonly signal: AbortSignal | undefined;
}

const SLICES_PER_SECOND = 20;

export class Pacer {
  readonly #slice: number;
  /** When the next message may go. */
  #next: number;

  /** `rate` in messages per second; undefined: no limit. */
  constructor(
    private readonly rate: number | undefined,
    private readonly deps: PacerDeps,
  ) {
    this.#slice = Math.max(1, Math.floor((rate ?? 1) / SLICES_PER_SECOND));
    this.#next = deps.now();
  }

  /** Resolves when some of `count` may be sent, with how many: 1 at least. */
  async take(count: number): Promise<number> {
    if (this.rate === undefined || this.deps.signal?.aborted) return count;
    const granted = Math.min(count, this.#slice);
    const start = Math.max(this.deps.now(), this.#next);
    this.#next = start + (granted * 1_000) / this.rate;
    const waitMs = start - this.deps.now();
    if (waitMs > 0) await this.deps.pause(waitMs, this.deps.signal);
    return granted;
  }
}
