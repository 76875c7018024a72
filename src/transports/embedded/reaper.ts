/** When to look for dead sessions: often enough for the living, seldom enough to cost nothing. */
import type { Broker } from './broker.js';
import type { Suspect } from './sessions.js';

/** The locks themselves are asked this often; in between, only those whose pid is gone. */
const THOROUGH_MS = 1_000;

export class Reaper {
  readonly #broker: Broker;
  readonly #own: () => Promise<number | undefined>;
  #lastRound = Number.NEGATIVE_INFINITY;
  #lastThorough = Number.NEGATIVE_INFINITY;

  /** `own` gives the id of the session that must not be asked: its lock is this process's. */
  constructor(broker: Broker, own: () => Promise<number | undefined>) {
    this.#broker = broker;
    this.#own = own;
  }

  /** Whether `round` would look. */
  isDue(pauseMs: number): boolean {
    return Math.abs(this.#broker.now() - this.#lastRound) >= pauseMs;
  }

  /** Ends dead sessions, unless that was done within the last `pauseMs`. */
  async round(pauseMs: number): Promise<void> {
    if (!this.isDue(pauseMs)) return;
    const now = this.#broker.now();
    const thorough = Math.abs(now - this.#lastThorough) >= THOROUGH_MS;
    this.#lastRound = now;
    if (thorough) this.#lastThorough = now;
    const own = await this.#own();
    const listed = await this.#broker.read((prepare) => prepare('SELECT id, token, pid FROM session').all());
    const suspects = listed
      .map(([id, token, pid]): Suspect => ({ id: Number(id), token: String(token), pid: Number(pid) }))
      .filter(({ id }) => id !== own);
    if (suspects.length === 0) return;
    const { reapDead } = await import('./sessions.js');
    await reapDead(this.#broker, suspects, thorough);
  }
}
