/**
 * Frees records of decisions once the broker has the acks of what they were about: kept on, they would speak for the
 * same event when it is published once more. Asks the broker about once a second, and before a session closes.
 *
 * | the broker about the acks | the records |
 * |---|---|
 * | has them | are free |
 * | may not have all of them (the line went), or cannot be asked | stay: the deliveries may come again |
 */
import type { Settlement } from '../transport.js';
import type { Session } from './in-hand.js';
import type { RecordClaim } from './record-claim.js';
import { type SetTimer, unrefTimer } from './timer.js';

export interface SpentRecords {
  /** What the record was about was acked; `outcome` is the answer to that. */
  acked(session: Session, record: RecordClaim, outcome: Promise<Settlement>): void;
  /** Frees those of the session, as long as its subscription can be asked. Never rejects. */
  free(session: Session): Promise<void>;
  /** Asks no more. Idempotent. */
  close(): void;
}

interface Acked {
  readonly record: RecordClaim;
  readonly answered: Promise<void>;
  /** Undefined: on its way. */
  outcome: Settlement | undefined;
}

const PAUSE_MS = 1_000;

/** `forget`: the record is not needed any more. */
export function createSpentRecords(
  forget: (record: RecordClaim) => Promise<unknown>,
  setTimer: SetTimer = unrefTimer,
): SpentRecords {
  const bySession = new Map<Session, Acked[]>();
  let cancelTimer: (() => void) | undefined;
  let closed = false;
  /** One question at a time: a loss is told to one of them only. */
  let asked: Promise<void> = Promise.resolve();

  function put(session: Session, acked: readonly Acked[]): void {
    if (acked.length === 0) return;
    const before = bySession.get(session);
    if (before === undefined) bySession.set(session, [...acked]);
    else before.push(...acked);
    if (!closed) cancelTimer ??= setTimer(look, PAUSE_MS);
  }

  function look(): void {
    cancelTimer = undefined;
    for (const session of bySession.keys()) void ask(session);
  }

  function ask(session: Session): Promise<void> {
    asked = asked.then(() => freeAnswered(session));
    return asked;
  }

  async function freeAnswered(session: Session): Promise<void> {
    const acked = bySession.get(session) ?? [];
    bySession.delete(session);
    if (acked.length === 0 || session.subscription === undefined) return;
    const settled = acked.filter(({ outcome }) => outcome === 'settled');
    const onTheWay = acked.filter(({ outcome }) => outcome === undefined);
    // A subscription that is closed or does not answer: the records stay, and are found if the deliveries come again.
    const answer = await session.subscription.synchronise().catch(() => 'lost');
    if (answer === 'lost') return;
    put(session, onTheWay);
    // A store that does not work keeps them for a week, as if the acks were lost.
    await Promise.allSettled(settled.map(({ record }) => forget(record)));
  }

  return {
    acked(session, record, outcome) {
      const one: Acked = {
        record,
        outcome: undefined,
        answered: outcome.then(
          (answer) => {
            one.outcome = answer;
          },
          () => {
            one.outcome = 'lost'; // it is made again, and told of again
          },
        ),
      };
      put(session, [one]);
    },
    async free(session) {
      await Promise.all((bySession.get(session) ?? []).map(({ answered }) => answered));
      await ask(session);
    },
    close() {
      closed = true;
      cancelTimer?.();
    },
  };
}
