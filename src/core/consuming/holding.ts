/**
 * Doing what must be done before a delivery can be settled, again and again until it is done. Meanwhile the delivery
 * keeps its place in the prefetch, so that a consumer whose copies have nowhere to go comes to a halt.
 */
import { EventsError, isEventsError } from '../errors.js';
import type { InHand } from './in-hand.js';
import type { SetTimer } from './timer.js';
import type { HeldBack } from './trouble.js';

/** A step that failed is tried again after this long, doubling up to the last. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 30_000;
/** A step that neither succeeds nor fails (a queue that has lost its leader, say) is told of after this long. */
const PATIENCE_MS = 10_000;

export interface HoldingDeps {
  readonly now: () => number;
  readonly setTimer: SetTimer;
  /** The consumer closes: what fails now is handed back instead of tried again. */
  readonly closing: () => boolean;
  readonly onHeld: (held: HeldBack) => void;
}

export interface Holding {
  /** True once `step` was done; false when the delivery was lost, or is to be handed back. */
  until(of: InHand, kind: HeldBack['kind'], step: () => Promise<unknown>): Promise<boolean>;
  /** Deliveries of which a step is under way, or waits for its next try. */
  count(): number;
}

export function createHolding({ now, setTimer, closing, onHeld }: HoldingDeps): Holding {
  let underWay = 0;

  async function attempt(of: InHand, kind: HeldBack['kind'], step: () => Promise<unknown>): Promise<boolean> {
    const since = now();
    const tell = (error: unknown, nextTryMs?: number) =>
      onHeld({
        kind,
        error,
        message: of.message,
        heldMs: now() - since,
        ...(nextTryMs !== undefined && { nextTryMs }),
      });
    let pauseMs = FIRST_PAUSE_MS;
    for (let failures = 0; !of.epoch.gone && !(failures > 0 && closing()); failures++) {
      const silence = setTimer(() => tell(noAnswer()), PATIENCE_MS);
      try {
        await step();
        return true;
      } catch (error) {
        // The transport was closed under the consumer: the message stays with the broker. (A closed store is a defect
        // of the service, and handing back would only bring the message again.)
        if (kind !== 'store' && isEventsError(error, 'closed')) return false;
        tell(error, pauseMs);
      } finally {
        silence();
      }
      await of.epoch.sleep(pauseMs, setTimer);
      pauseMs = Math.min(LAST_PAUSE_MS, pauseMs * 2);
    }
    return false;
  }

  return {
    count: () => underWay,
    async until(of, kind, step) {
      underWay++;
      try {
        return await attempt(of, kind, step);
      } finally {
        underWay--;
      }
    },
  };
}

function noAnswer(): EventsError {
  return new EventsError('timeout', `no answer for ${PATIENCE_MS / 1_000} s`, {
    hint: 'Look at the broker or the store: it is reached, but does not confirm.',
  });
}
