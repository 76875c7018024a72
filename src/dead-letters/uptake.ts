/** Whether anybody takes what is replayed: what still waits in its queue has not proved that it lives. */
import type { Transport } from '../core/transport.js';

export interface Uptake {
  /** To be called before anything is sent to the queue. */
  cover(queue: string): void;
  /** Messages that wait in these queues, whoever sent them: first in, first out, so the last of ours may be among them. */
  waiting(): Promise<number>;
}

export function watchUptake(transport: Pick<Transport, 'counts'>): Uptake {
  const queues = new Set<string>();
  return {
    cover: (queue) => void queues.add(queue),
    async waiting() {
      const counts = await Promise.all([...queues].map((queue) => transport.counts(queue)));
      return counts.reduce((sum, count) => sum + (count?.ready ?? 0), 0);
    },
  };
}
