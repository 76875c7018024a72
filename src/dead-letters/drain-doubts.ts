/** Messages that were settled when their line went: some of them come again, the others are gone. */

export class Doubts {
  readonly #counts = new Map<string, number>();
  #size = 0;

  /** How many have not come again. */
  get size(): number {
    return this.#size;
  }

  add(hash: string): void {
    this.#counts.set(hash, (this.#counts.get(hash) ?? 0) + 1);
    this.#size++;
  }

  /** It has come again; false when it is none of them. */
  take(hash: string): boolean {
    const count = this.#counts.get(hash);
    if (count === undefined) return false;
    if (count === 1) this.#counts.delete(hash);
    else this.#counts.set(hash, count - 1);
    this.#size--;
    return true;
  }
}
