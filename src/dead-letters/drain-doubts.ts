/** Messages that were settled when their line went: some of them come again, the others are gone. */
import { hashKey } from './message-hash.js';

export class Doubts {
  readonly #counts = new Map<string, number>();
  #size = 0;

  /** How many have not come again. */
  get size(): number {
    return this.#size;
  }

  add(hash: Buffer): void {
    const key = hashKey(hash);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    this.#size++;
  }

  /** It has come again; false when it is none of them. */
  take(hash: Buffer): boolean {
    const key = hashKey(hash);
    const count = this.#counts.get(key);
    if (count === undefined) return false;
    if (count === 1) this.#counts.delete(key);
    else this.#counts.set(key, count - 1);
    this.#size--;
    return true;
  }
}
