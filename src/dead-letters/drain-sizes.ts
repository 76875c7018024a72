/**
 * How many deliveries a drain has in hand. Two bounds: their bytes, known once some were seen; and the number of
 * subscriptions, since those that only hold cost the broker something.
 */

/** Messages in work or waiting for it: three batches of 800. More gained nothing, and cost memory. */
const WINDOW = 2_400;
/** Until the size of the bodies is known: a thousand of some megabytes each would be too much. */
const FIRST_PREFETCH = 32;
const LAST_PREFETCH = 16_384;
/** Of bodies, and of what a delivery costs beside its body. */
const BYTES_IN_HAND = 48 * 1024 * 1024;
const BYTES_BESIDE_BODY = 2_048;

export class DrainSizes {
  #looked = 0;
  #bytes = 0;

  constructor(private readonly wanted = WINDOW) {}

  saw(bodyBytes: number): void {
    this.#looked++;
    this.#bytes += bodyBytes;
  }

  /** Enough was seen to know how large they are. */
  isKnown(firstPrefetch: number): boolean {
    return this.#looked >= firstPrefetch / 2;
  }

  /** Messages that should be in work or waiting for it. */
  window(): number {
    return Math.max(1, Math.min(this.wanted, this.#affordable()));
  }

  firstPrefetch(wanted: number): number {
    return Math.max(1, Math.min(FIRST_PREFETCH, this.wanted, wanted));
  }

  /** Grows with what is held, so that a million held messages take dozens of subscriptions and not thousands. */
  nextPrefetch(held: number): number {
    const most = Math.min(LAST_PREFETCH, this.#affordable());
    return Math.max(1, Math.min(most, this.window() + held));
  }

  #affordable(): number {
    const average = this.#looked === 0 ? 0 : this.#bytes / this.#looked;
    return Math.floor(BYTES_IN_HAND / (average + BYTES_BESIDE_BODY));
  }
}
