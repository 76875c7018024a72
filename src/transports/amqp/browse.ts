/**
 * Reads a queue without consuming it: takes its messages unsettled, in order, and puts all of them back in
 * the end. Should this process die, the broker takes them back by itself.
 *
 * A consumer per chunk, not basic.get: a get costs a round trip each and slows down with what is held. A
 * consumer's prefetch bounds what this process holds, and when the chunk is read it is cancelled: what it
 * delivered stays unsettled on the channel, with the broker.
 *
 * It leaves traces: the redelivered flag, the delivery count of quorum queues, and while it runs consumers
 * do not get the messages that it holds.
 */
import type { Channel, ConsumeMessage } from 'amqplib';
import type { ReceivedMessage } from '../../core/message.js';
import type { BrowseOptions } from '../../core/transport.js';
import type { AmqpAddress } from './address.js';
import { closeChannel, onScratchChannel } from './channels.js';
import { channelFailure, closedError } from './failures.js';
import type { Link } from './link.js';
import { receivedMessage } from './messages.js';
import type { Wire } from './wire.js';

/** The first chunk is small, since whoever reads a few messages and stops should hold few; then it doubles. */
const FIRST_CHUNK = 10;
const LAST_CHUNK = 200;
/** Nothing came for this long: either other consumers took the rest, or the broker is slow; it is asked which. */
const SILENCE_MS = 100;

export async function* browseQueue(
  queue: string,
  options: BrowseOptions,
  { link, address }: { readonly link: Link; readonly address: AmqpAddress },
): AsyncGenerator<ReceivedMessage> {
  const entity = `queue "${queue}"`;
  const { wire, channel, ready } = await link.run(async (open) => {
    const opened = await open.model.createChannel();
    opened.on('error', () => {}); // the rejected operation tells
    open.typeHeaders(opened);
    const { messageCount } = await opened.checkQueue(queue);
    return { wire: open, channel: opened, ready: messageCount };
  }, entity);
  // What arrives while browsing would come after these; without this bound a busy queue never ends.
  let left = Math.min(options.limit ?? Number.POSITIVE_INFINITY, ready);
  try {
    for (let chunk = FIRST_CHUNK; left > 0; chunk = Math.min(LAST_CHUNK, chunk * 2)) {
      const size = Math.min(chunk, left);
      const messages = await takeChunk(wire, channel, queue, size);
      for (const message of messages) yield receivedMessage(message);
      left = messages.length < size ? 0 : left - size;
    }
  } catch (error) {
    throw link.isClosed ? closedError() : channelFailure(error, address, entity);
  } finally {
    await putBack(channel);
  }
}

/** The next `size` messages; fewer when the queue has no more ready ones. */
async function takeChunk(
  wire: Wire,
  channel: Channel,
  queue: string,
  size: number,
): Promise<ConsumeMessage[]> {
  const messages: ConsumeMessage[] = [];
  await channel.prefetch(size);
  let consumerTag = '';
  try {
    await new Promise<void>((resolve, reject) => {
      let seen = 0;
      let empty = 0;
      const timer = setInterval(async () => {
        if (messages.length > seen) {
          seen = messages.length;
          empty = 0;
          return;
        }
        try {
          const { messageCount } = await onScratchChannel(wire, (scratch) => scratch.checkQueue(queue));
          // Twice: what the queue has just given to this channel may still be on its way.
          if (messageCount === 0 && ++empty === 2) done();
        } catch (error) {
          done(error);
        }
      }, SILENCE_MS);
      const done = (error?: unknown) => {
        clearInterval(timer);
        channel.off('close', gone);
        if (error === undefined) resolve();
        else reject(error);
      };
      const gone = () => done(new Error('the channel was closed'));
      channel.once('close', gone);
      const opening = channel.consume(queue, (message) => {
        if (message === null) return done(new Error('cancelled by the broker'));
        messages.push(message);
        if (messages.length === size) done();
      });
      opening.then((opened) => {
        consumerTag = opened.consumerTag;
      }, done);
    });
  } finally {
    if (consumerTag !== '') await channel.cancel(consumerTag).catch(() => {}); // gone with its channel
  }
  return messages;
}

/** Requeues everything in its old place. Should the channel go before, the broker does the same. */
async function putBack(channel: Channel): Promise<void> {
  try {
    channel.nackAll(true);
  } catch {
    return; // gone already, and with it everything it held went back
  }
  await closeChannel(channel);
}
