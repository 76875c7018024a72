/**
 * Sees replayed messages die again, on copies of what is dead-lettered: the queue itself is being drained, and what comes
 * into it meanwhile is at its end.
 */

import { HEADER_REPLAY, readReplay } from '../core/consuming/origin.js';
import { isEventsError } from '../core/errors.js';
import type { ReceivedMessage } from '../core/message.js';
import type { Subscription, Transport } from '../core/transport.js';

export interface DeathWatch {
  /** To be called with each batch before any of it is sent: deaths come the way these dead letters came. */
  cover(messages: readonly ReceivedMessage[]): Promise<void>;
  /** Replayed messages that have died again so far. */
  deaths(): number;
  /** `depth`: some of them come a way that cannot be copied; see `ReplayReport.watched`. */
  readonly mode: 'copies' | 'depth';
  close(): Promise<void>;
}

/** Where routing keys are as many as messages, a copy of each way is not to be had. */
const MOST_WAYS = 64;

export function watchDeaths(transport: Transport, replayId: string): DeathWatch {
  const ways = new Set<string>();
  const taps: Subscription[] = [];
  let deaths = 0;
  let mode: 'copies' | 'depth' = 'copies';

  async function open(exchange: string, routingKey: string): Promise<void> {
    const onMessage = (copy: ReceivedMessage) => {
      // A fanout exchange gives every tap everything: each counts what came its own way.
      if (copy.exchange !== exchange || copy.routingKey !== routingKey) return;
      if (isReplayedBy(replayId, copy)) deaths++;
    };
    try {
      const bindings = [{ exchange, key: routingKey }];
      taps.push(await transport.tap({ bindings }, { onMessage, onGap() {} }));
    } catch (error) {
      // No permission for queues of one's own, say: the replay can do without.
      if (!isEventsError(error) || error.code === 'unreachable' || error.code === 'closed') throw error;
      mode = 'depth';
    }
  }

  return {
    async cover(messages) {
      for (const { exchange, routingKey } of messages) {
        const way = `${exchange}\n${routingKey}`;
        if (ways.has(way)) continue;
        ways.add(way);
        // The default exchange has no bindings, and so no copies.
        if (exchange === '' || ways.size > MOST_WAYS) mode = 'depth';
        else await open(exchange, routingKey);
      }
    },
    deaths: () => deaths,
    get mode() {
      return mode;
    },
    async close() {
      await Promise.all(taps.map((tap) => tap.close()));
    },
  };
}

/** True for a message that this very replay has sent. */
export function isReplayedBy(id: string, { properties: { headers } }: ReceivedMessage): boolean {
  return headers !== undefined && HEADER_REPLAY in headers && readReplay(headers)?.id === id;
}
