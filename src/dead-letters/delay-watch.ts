/** Delay queues of the queues that are replayed to: what waits in them has failed, too, but has not died yet. */
import { defaultDelayQueues } from '../core/consuming/ladder.js';
import type { Transport } from '../core/transport.js';

export interface DelayWatch {
  /** To be called before anything is sent to the queue. */
  cover(queue: string): Promise<void>;
  /** How many more messages wait in the delay queues than before. */
  grown(): Promise<number>;
}

export function watchDelays(transport: Pick<Transport, 'survey' | 'counts'>): DelayWatch {
  const before = new Map<string, number>();
  const covered = new Map<string, Promise<void>>();
  let survey: ReturnType<Transport['survey']> | undefined;

  async function delayQueuesOf(queue: string): Promise<readonly string[]> {
    survey ??= transport.survey();
    const known = await survey;
    if (known.state === 'unknown') return defaultDelayQueues(queue).map(({ name }) => name);
    return known.queues
      .filter(({ arguments: args }) => args['x-dead-letter-exchange'] === '')
      .filter(({ arguments: args }) => args['x-dead-letter-routing-key'] === queue)
      .map(({ name }) => name);
  }

  const ready = async (queue: string) => (await transport.counts(queue))?.ready ?? 0;

  return {
    cover(queue) {
      const covering =
        covered.get(queue) ??
        delayQueuesOf(queue).then(async (names) => {
          for (const name of names) before.set(name, await ready(name));
        });
      covered.set(queue, covering);
      return covering;
    },
    async grown() {
      let grown = 0;
      for (const [name, count] of before) grown += Math.max(0, (await ready(name)) - count);
      return grown;
    },
  };
}
