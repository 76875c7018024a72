/** Everything that the broker file holds, in one consistent look. */
import type { Survey } from '../../core/transport.js';
import type { Broker } from './broker.js';
import { expireDue } from './expiry.js';
import { countsOf } from './queues.js';
import type { Reaper } from './reaper.js';

/** Before the broker file exists there is nothing; looking creates none. */
export async function survey(broker: Broker, reaper: Reaper): Promise<Survey> {
  if (!broker.exists()) return { state: 'known', exchanges: [], queues: [], bindings: [] };
  await reaper.round(0);
  await expireDue(broker);
  return broker.read((prepare, catalog) => ({
    state: 'known',
    exchanges: [...catalog.exchanges.values()].map(({ spec }) => spec),
    queues: [...catalog.queues.values()].map((queue) => ({ ...queue.spec, ...countsOf(prepare, queue) })),
    bindings: [...catalog.exchanges.values()].flatMap(({ spec, bindings }) =>
      [...bindings].flatMap(([key, queues]) =>
        [...queues].map((queue) => ({ exchange: spec.name, queue: queue.spec.name, key })),
      ),
    ),
  }));
}
