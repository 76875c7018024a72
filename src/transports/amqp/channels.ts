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
    await closeChannel(channel);
  }
}

/**
 * Closes a channel, however it stands. amqplib leaves `close()` pending for ever when the connection goes
 * meanwhile; the channel's `close` event comes in any case.
 */
export async function closeChannel(channel: Channel): Promise<void> {
  const gone = new Promise<void>((resolve) => {
    channel.once('close', resolve);
  });
  try {
    await Promise.race([channel.close(), gone]);
  } catch {
    // Closed already, by the broker or with its connection: that is what was wanted.
  }
}
