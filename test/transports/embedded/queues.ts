/** Queues for tests of one broker file: most need one, with a dead-letter queue beside it. */
import type { ReceivedMessage } from '../../../src/core/message.js';
import {
  type Arguments,
  bind,
  EMPTY_TOPOLOGY,
  exchange,
  queue,
  type Topology,
} from '../../../src/core/topology/model.js';
import type { Transport } from '../../../src/core/transport.js';
import { message, type Scene } from './scene.js';

export function topology(parts: Partial<Topology>): Topology {
  return { ...EMPTY_TOPOLOGY, ...parts };
}

/** Queue `q` with these arguments; queue `dead` behind exchange `dlx`. */
export async function openWithQueue(scene: Scene, args: Arguments = {}): Promise<Transport> {
  const transport = scene.open();
  await transport.apply(
    topology({
      exchanges: [exchange('dlx', 'fanout')],
      queues: [queue('q', args), queue('dead')],
      bindings: bind('dlx', 'dead', ''),
    }),
  );
  return transport;
}

/** One after the other into `q`. */
export async function putAll(transport: Transport, ...texts: string[]): Promise<void> {
  for (const text of texts) await transport.publish(message('', 'q', text));
}

export async function first(transport: Transport, name: string): Promise<ReceivedMessage | undefined> {
  for await (const found of transport.browse(name, { limit: 1 })) return found;
  return undefined;
}
