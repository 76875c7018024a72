/**
 * What follows a loss: something of what was in hand comes again, some was acked and does not. When is all of it there?
 *
 * What comes again comes in its old place, before everything that was never handed out: so a message that comes for the
 * first time tells that it has come. But a quorum queue that has just been elected a leader hands out what is ready before
 * it notices that its former consumers are gone; so where something is in doubt, it also has to be quiet for a while.
 */

/** Nothing that was in doubt has come for this long: none of it will. */
const QUIET_MS = 2_000;

export interface AftermathOptions {
  /** Has to be done before anything is looked at. */
  readonly afterLoss: () => Promise<void>;
  readonly onChange: () => void;
  readonly onFailure: (error: unknown) => void;
}

export class Aftermath {
  /** Since the last loss nothing has come for the first time. */
  #isUnsure = false;
  #recovering = 0;
  #isQuiet = true;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly options: AftermathOptions) {}

  /** Nothing may be looked at. */
  get isRecovering(): boolean {
    return this.#recovering > 0;
  }

  /** As after a loss: an earlier run has left something in doubt. */
  begin(): void {
    this.#isUnsure = true;
    this.stir();
  }

  lost(): void {
    this.begin();
    void this.#recover();
  }

  /** Something in doubt has come, or may come only from now on. */
  stir(): void {
    this.#isQuiet = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isQuiet = true;
      this.options.onChange();
    }, QUIET_MS);
  }

  /** A message has come for the first time. */
  cameFresh(): void {
    this.#isUnsure = false;
  }

  /** Messages may come that have to be recognised; `doubts` may. */
  isSearching(doubts: number): boolean {
    return this.#isUnsure || this.isWaiting(doubts);
  }

  /** Also in a queue that seems to be empty. */
  isWaiting(doubts: number): boolean {
    return this.isRecovering || (doubts > 0 && !this.#isQuiet);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  async #recover(): Promise<void> {
    this.#recovering++;
    try {
      await this.options.afterLoss();
    } catch (error) {
      this.options.onFailure(error);
    }
    this.#recovering--;
    this.stir();
    this.options.onChange();
  }
}
