/** Channels that may be lost: the broker closes one to answer a question with no. */
import type { Channel } from 'amqplib';
import type { Wire } from './wire.js';

/** Runs `operation` on a channel of its own, closed afterwards. */
export async function onScratchChannel<T>(
  wire: Wire,
  operation: (channel: Channel) => Promise<T>,
): Promise<T> {
  const channel = await wire.model.createChannel();
  // The operation's own rejection tells; without a listener the event would end the process.
  channel.on('error', () => {});
  try {
    return await operation(channel);
  } finally {
    // Rejects when the broker closed it already, which is what was wanted.
    await channel.close().catch(() => {});
  }
}
