import type { QueueCounts } from '../../core/transport.js';
import { onScratchChannel } from './channels.js';
import { replyCode } from './failures.js';
import type { Wire } from './wire.js';

/** Depth and consumers as the queue itself tells them; undefined when it does not exist. */
export async function countQueue(wire: Wire, queue: string): Promise<QueueCounts | undefined> {
  try {
    const found = await onScratchChannel(wire, (channel) => channel.checkQueue(queue));
    return { ready: found.messageCount, consumers: found.consumerCount };
  } catch (error) {
    if (replyCode(error) === 404) return undefined;
    throw error;
  }
}
