/** Acks and hand-backs: the end of each delivery's time in hand. */
import type { Settlement } from '../transport.js';
import type { Holding } from './holding.js';
import type { InHand } from './in-hand.js';
import type { OverdueWatch } from './overdue.js';
import type { SpentRecords } from './spent-records.js';

export interface Settling {
  /** Done with it: the queue forgets it. */
  ack(of: InHand): void;
  /** Puts it back in its place; while its session is being stopped, as soon as it does not come straight back. */
  handBack(of: InHand): void;
  /** Watches its time in hand, from now on. */
  watch(of: InHand): void;
}

export function createSettling(
  holding: Holding,
  overdue: OverdueWatch<InHand>,
  spentRecords: SpentRecords | undefined,
): Settling {
  function settle(of: InHand, how: 'ack' | 'requeue'): void {
    if (of.watched) overdue.ended(of);
    of.session.release();
    if (of.epoch.gone) return; // it will be delivered again
    settleNow(of, how).catch((error: unknown) => settleAgain(of, how, error));
  }

  function settleNow(of: InHand, how: 'ack' | 'requeue'): Promise<Settlement> {
    const outcome = of.delivery[how]();
    if (how === 'ack' && of.spent !== undefined) spentRecords?.acked(of.session, of.spent, outcome);
    return outcome;
  }

  /**
   * The handler is done with the event and must not run again for want of disk space: the settlement is made until it is
   * taken or the consumer closes.
   */
  function settleAgain(of: InHand, how: 'ack' | 'requeue', failure: unknown): void {
    let first: { readonly failure: unknown } | undefined = { failure };
    of.session.inHand++;
    const again = async () => {
      const failed = first;
      first = undefined;
      if (failed !== undefined) throw failed.failure;
      await settleNow(of, how);
    };
    void holding.until(of, 'settle', again).then(() => of.session.release());
  }

  return {
    ack: (of) => settle(of, 'ack'),
    handBack(of) {
      if (of.session.retiring && !of.session.stopped && !of.epoch.gone) of.session.leftover.push(of);
      else settle(of, 'requeue');
    },
    watch(of) {
      if (of.watched) return;
      of.watched = true;
      overdue.started(of);
    },
  };
}
