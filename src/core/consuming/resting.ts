/**
 * Deliveries that wait in hand for their next attempt, where no other of their key can overtake them. Each takes its
 * place in the prefetch, as do those behind it: when nothing else has one, the consumer has come to a halt.
 */
import type { InHand, Session } from './in-hand.js';
import type { SetTimer } from './timer.js';
import type { Halted } from './trouble.js';

export interface RestingDeps {
  readonly now: () => number;
  readonly setTimer: SetTimer;
  readonly onHalted: (halted: Halted) => void;
}

interface Rest {
  readonly error: unknown;
  readonly endsAt: number;
}

export class Resting {
  readonly #deps: RestingDeps;
  readonly #rests = new Map<InHand, Rest>();
  #told = false;

  constructor(deps: RestingDeps) {
    this.#deps = deps;
  }

  get count(): number {
    return this.#rests.size;
  }

  /** Resolves after `delayMs`, or when the state of the delivery has changed. */
  async rest(of: InHand, delayMs: number, error: unknown): Promise<void> {
    const { now, setTimer } = this.#deps;
    if (of.session.retiring) return;
    this.#rests.set(of, { error, endsAt: now() + delayMs });
    await of.epoch.sleep(delayMs, setTimer);
    this.#rests.delete(of);
    this.#told = false;
  }

  /** To be called when nothing runs. `waiting`: deliveries behind others of their key. Tells once per rest. */
  tellIfHalted(session: Session, waiting: number): void {
    const { now, onHalted } = this.#deps;
    if (this.#told || session.retiring || session.inHand < session.prefetch) return;
    // The others are being settled, and make room.
    if (this.#rests.size + waiting < session.inHand) return;
    const [first] = [...this.#rests].sort(([, a], [, b]) => a.endsAt - b.endsAt);
    if (first === undefined) return;
    const [of, { error, endsAt }] = first;
    this.#told = true;
    onHalted({
      kind: 'halted',
      error,
      message: of.message,
      inHand: session.inHand,
      nextTryMs: Math.max(0, endsAt - now()),
    });
  }
}
