/**
 * Who begins when: at most `limit` at a time, and those of one key one after another in the order they came.
 *
 * | a task is | holds a place | holds its key |
 * |---|---|---|
 * | behind another of its key | no | no |
 * | ready | no | yes |
 * | running | yes | yes |
 * | set aside between two attempts, or being given up | no | yes |
 */
export interface Keyed {
  readonly key: string | undefined;
}

export class Lanes<T extends Keyed> {
  running = 0;
  readonly #limit: number;
  readonly #begin: (task: T) => void;
  /** Those that wait for a place, the first to begin first. */
  #ready: T[] = [];
  /** Key to those that wait behind the one that holds it. */
  readonly #behind = new Map<string, T[]>();
  #starting = false;

  /** `begin` runs the task, and calls `free` and `advance` in its own time. It must not throw. */
  constructor(limit: number, begin: (task: T) => void) {
    this.#limit = limit;
    this.#begin = begin;
  }

  get waiting(): number {
    let count = this.#ready.length;
    for (const tasks of this.#behind.values()) count += tasks.length;
    return count;
  }

  enter(task: T): void {
    if (task.key !== undefined) {
      const behind = this.#behind.get(task.key);
      if (behind !== undefined) {
        behind.push(task);
        return;
      }
      this.#behind.set(task.key, []);
    }
    if (this.running < this.#limit && this.#ready.length === 0 && !this.#starting) {
      this.running++;
      this.#begin(task);
    } else {
      this.#ready.push(task);
      this.#start();
    }
  }

  /** A running task gives its place back; it still holds its key. */
  free(): void {
    this.running--;
    if (this.#ready.length > 0) this.#start();
  }

  /** The task is through: the next of its key is ready. */
  advance(task: T): void {
    if (task.key === undefined) return;
    const next = this.#behind.get(task.key)?.shift();
    if (next === undefined) this.#behind.delete(task.key);
    else {
      this.#ready.push(next);
      this.#start();
    }
  }

  /** A task that had been set aside is ready again. */
  again(task: T): void {
    this.#ready.push(task);
    this.#start();
  }

  /** Takes those out that have not begun and that `choose` picks, in their order. */
  takeOut(choose: (task: T) => boolean): T[] {
    const taken: T[] = [];
    for (const [key, tasks] of this.#behind) this.#behind.set(key, sift(tasks, choose, taken));
    const left: T[] = [];
    this.#ready = sift(this.#ready, choose, left);
    for (const task of left) this.advance(task);
    return [...left, ...taken];
  }

  /** A loop, not a recursion: what begins may be done at once, and frees its place in here. */
  #start(): void {
    if (this.#starting) return;
    this.#starting = true;
    while (this.running < this.#limit) {
      const task = this.#ready.shift();
      if (task === undefined) break;
      this.running++;
      this.#begin(task);
    }
    this.#starting = false;
  }
}

function sift<T>(tasks: readonly T[], choose: (task: T) => boolean, taken: T[]): T[] {
  const kept: T[] = [];
  for (const task of tasks) (choose(task) ? taken : kept).push(task);
  return kept;
}
