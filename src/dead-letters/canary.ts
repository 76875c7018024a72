/** A few first, then twice as many, as long as they do not die again. */
import type { CanaryOptions } from './replay-types.js';

export interface CanaryDeps {
  readonly pause: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal | undefined;
  /** Replayed messages that have died again so far; asked often. */
  readonly deaths: () => number | Promise<number>;
  /** Those that have failed and wait for a retry. */
  readonly waiting: () => Promise<number>;
  /** Messages, ours or not, that nobody has taken from the queues they were sent to. */
  readonly untaken: () => Promise<number>;
}

export interface CanaryVerdict {
  readonly goOn: boolean;
  readonly replayed: number;
  readonly died: number;
  readonly waiting: number;
  /** Of what was sent since the last watch: not taken by a consumer yet, and so without any proof. */
  readonly untaken: number;
}

const WATCH_MS = 10_000;
const MOST_DEATHS = 0.1;
/** Looks at the deaths during a watch, so that a clear case does not take all of it. */
const LOOKS = 20;

export class Canary {
  readonly #watchMs: number;
  readonly #most: number;
  #size: number;
  #sent = 0;
  #replayed = 0;

  constructor(
    options: CanaryOptions,
    private readonly deps: CanaryDeps,
  ) {
    this.#size = options.first;
    this.#watchMs = options.watchMs ?? WATCH_MS;
    this.#most = options.maxDeathRate ?? MOST_DEATHS;
  }

  /** Messages that are still to be sent before the next watch. */
  get left(): number {
    return this.#size - this.#sent;
  }

  /** Something was sent that nobody has watched yet. */
  get isUnwatched(): boolean {
    return this.#sent > 0;
  }

  sent(count: number): void {
    this.#sent += count;
    this.#replayed += count;
  }

  /** Watches what was sent so far, then judges. Ends early when aborted, or when it is clear. */
  async watch(): Promise<CanaryVerdict> {
    const { pause, signal, deaths, waiting, untaken } = this.deps;
    for (let look = 0; look < LOOKS && !signal?.aborted; look++) {
      await pause(this.#watchMs / LOOKS, signal);
      if (this.#isTooMany(await deaths())) break;
    }
    const verdict = {
      replayed: this.#replayed,
      died: await deaths(),
      waiting: await waiting(),
      untaken: Math.min(this.#sent, await untaken()),
    };
    this.#size *= 2;
    this.#sent = 0;
    return { ...verdict, goOn: !this.#isTooMany(verdict.died + verdict.waiting + verdict.untaken) };
  }

  #isTooMany(failed: number): boolean {
    return failed > this.#most * this.#replayed;
  }
}
