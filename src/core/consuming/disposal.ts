/**
 * Carrying out what was decided about a delivery, in an order in which no crash loses it: the decision on record, the
 * copy confirmed, the record completed, the original acked. Each step is held until it succeeds.
 */
import { isEventsError } from '../errors.js';
import type { Transport } from '../transport.js';
import { deadLetter, retryCopy } from './copies.js';
import type { DeadLetterRoute } from './dead-letter-route.js';
import type { Claimed, Decision, Decisions } from './decisions.js';
import type { FailureRecord } from './failure-record.js';
import type { Holding } from './holding.js';
import type { InHand } from './in-hand.js';
import type { Ladder } from './ladder.js';

export interface DisposalDeps {
  readonly transport: Pick<Transport, 'publish' | 'apply'>;
  readonly ladder: Ladder;
  readonly route: DeadLetterRoute;
  /** Undefined without a store. */
  readonly decisions: Decisions | undefined;
  readonly holding: Holding;
  readonly onDeadLetter: (record: FailureRecord, of: InHand) => void;
}

export interface Disposal {
  /** True: the original is to be acked. False: it was lost, or is to be handed back. */
  carryOut(of: InHand, decision: Decision): Promise<boolean>;
  /** The same for a decision that was found on record. */
  carryOutClaimed(of: InHand, claimed: Claimed): Promise<boolean>;
}

export function createDisposal(deps: DisposalDeps): Disposal {
  const { transport, ladder, route, decisions, holding, onDeadLetter } = deps;

  /** One try. What was sent without a confirm is sent again under the same id, and may be there twice. */
  async function publish(of: InHand, decision: Decision, doubt: { is: boolean }): Promise<void> {
    const record = decision.kind === 'dead' ? marked(decision.record, doubt.is) : undefined;
    try {
      if (decision.kind === 'retry') {
        const { delayMs } = decision;
        await transport.publish(
          retryCopy(of.arrival, decision, ladder.queueFor(delayMs), ladder.shortened(delayMs)),
        );
      } else if (record !== undefined) {
        await transport.publish(deadLetter(of.arrival, record, route));
      }
    } catch (error) {
      if (isEventsError(error, 'publish-unknown')) doubt.is = true;
      // A queue of our own that somebody deleted, or of a ladder that has changed since the decision.
      if (isEventsError(error, 'unroutable')) await declareFor(decision);
      throw error;
    }
    if (record !== undefined) onDeadLetter(record, of);
  }

  async function declareFor(decision: Decision): Promise<void> {
    const own = decision.kind === 'retry' ? ladder.specFor(decision.delayMs) : route.own;
    if (own !== undefined) await transport.apply({ exchanges: [], queues: [own], bindings: [] });
  }

  async function carryOutClaimed(of: InHand, { decision, doubtful, record }: Claimed): Promise<boolean> {
    const doubt = { is: doubtful };
    if (decision !== undefined && decision.kind !== 'ok') {
      const kind = decision.kind === 'retry' ? 'retry-copy' : 'dead-letter';
      if (!(await holding.until(of, kind, () => publish(of, decision, doubt)))) return false;
    }
    if (decisions === undefined || record === undefined) return true;
    return holding.until(of, 'store', () => decisions.complete(of, record));
  }

  return {
    carryOutClaimed,
    async carryOut(of, decision) {
      let claimed: Claimed = { decision, doubtful: false, record: undefined };
      if (decisions !== undefined) {
        const recorded = await holding.until(of, 'store', async () => {
          claimed = await decisions.decide(of, decision);
        });
        if (!recorded) return false;
      }
      return carryOutClaimed(of, claimed);
    },
  };
}

function marked(record: FailureRecord, possibleDuplicate: boolean): FailureRecord {
  return possibleDuplicate ? { ...record, possibleDuplicate } : record;
}
