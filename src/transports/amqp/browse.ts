/**
 * Reads a queue without consuming it: takes its messages unsettled, in order, and puts all of them back in
 * the end. Should this process die, the broker takes them back by itself.
 *
 * A consumer per chunk, not basic.get: a get costs a round trip each and slows down with what is held. A
 * consumer's prefetch bounds what this process holds, and when the chunk is read it is cancelled: what it
 * delivered stays unsettled on the channel, with the broker.
 *
 * All goes back by closing the channel, never by basic.nack: without a delivery limit a quorum queue puts what is
 * nacked behind everything else (rabbit_fifo.erl, `requeue`), and with one it mixes up more than 32 at once. What a
 * lost channel held it takes back at the front and in order, consumer by consumer in order of their tags; that order
 * holds for at most 32 consumers (Erlang's small maps are sorted, larger ones hashed), hence MOST_CHUNKS. At the front,
 * but behind what it was handed back before (`returns` of rabbit_fifo.erl, a queue of its own): of those all must be
 * taken, or the ones that were looked at come back behind the others.
 *
 * It leaves traces: the redelivered flag, the delivery count of quorum queues, and while it runs consumers
 * do not get the messages that it holds.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Channel, ConsumeMessage } from 'amqplib';
import { hasDeliveryCount } from '../../core/broker-headers.js';
import type { ReceivedMessage } from '../../core/message.js';
import type { BrowseOptions } from '../../core/transport.js';
import type { AmqpAddress } from './address.js';
import { closeChannel, onScratchChannel } from './channels.js';
import { channelFailure, closedError } from './failures.js';
import type { Link } from './link.js';
import { exactMessage } from './messages.js';
import type { Wire } from './wire.js';

/** The first chunk is small, since whoever reads a few messages and stops should hold few; then it doubles. */
const FIRST_CHUNK = 10;
const USUAL_CHUNK = 200;
/** Chunks of deep queues are larger, so that these are enough for everything. */
const MOST_CHUNKS = 32;
const MAX_PREFETCH = 65_535;
/** Large messages are taken `USUAL_CHUNK` at a time, however deep the queue: what is in a chunk is in this process. */
const CHUNK_BYTES = 32 * 1024 * 1024;
/** Nothing came for this long: either other consumers took the rest, or the broker is slow; it is asked which. */
const SILENCE_MS = 100;
const PUT_BACK_PAUSE_MS = 10;

export async function* browseQueue(
  queue: string,
  options: BrowseOptions,
  { link, address }: { readonly link: Link; readonly address: AmqpAddress },
): AsyncGenerator<ReceivedMessage> {
  const entity = `queue "${queue}"`;
  const { wire, channel, ready, others } = await link.run(async (open) => {
    const opened = await open.model.createChannel();
    opened.on('error', () => {}); // the rejected operation tells
    open.typeHeaders(opened);
    const { messageCount, consumerCount } = await opened.checkQueue(queue);
    return { wire: open, channel: opened, ready: messageCount, others: consumerCount };
  }, entity);
  // What arrives while browsing would come after these; without this bound a busy queue never ends.
  let left = Math.min(options.limit ?? Number.POSITIVE_INFINITY, ready);
  let chunk = 0;
  let taken = 0;
  let bytes = 0;
  /** What was taken last was handed back before, and there may be more of that kind. */
  let wasReturned = false;
  const take = async (most: number) => {
    const size = Math.min(chunkSize(chunk, most, bytes / Math.max(1, taken)), most);
    const messages = await takeChunk(wire, channel, queue, size, chunk++);
    for (const { content } of messages) bytes += content.length;
    taken += messages.length;
    wasReturned = messages.length === size && isReturned(messages.at(-1));
    return { messages, isLast: messages.length < size };
  };
  try {
    while (left > 0) {
      const { messages, isLast } = await take(left);
      left = isLast ? 0 : left - messages.length;
      yield* messages.map(exactMessage);
    }
  } catch (error) {
    wasReturned = false;
    throw link.isClosed ? closedError() : channelFailure(error, address, entity);
  } finally {
    try {
      while (wasReturned && taken < ready) await take(ready - taken);
    } catch {
      // The channel went, and with it all goes back.
    }
    await putBack(wire, channel, queue, ready, others);
  }
}

/** Of a quorum queue, and taken before. */
function isReturned(message: ConsumeMessage | undefined): boolean {
  return hasDeliveryCount(message?.properties.headers ?? {});
}

/** How many messages to take at once: `left` are left, and those so far had `averageBytes`. */
export function chunkSize(chunk: number, left: number, averageBytes: number): number {
  const usual = Math.min(USUAL_CHUNK, FIRST_CHUNK * 2 ** Math.min(chunk, 16));
  if (usual < USUAL_CHUNK) return usual;
  const share = Math.ceil(left / Math.max(1, MOST_CHUNKS - chunk));
  const affordable = Math.floor(CHUNK_BYTES / Math.max(1, averageBytes));
  return Math.max(usual, Math.min(share, affordable, MAX_PREFETCH));
}

/** The next `size` messages; fewer when the queue has no more ready ones. */
async function takeChunk(
  wire: Wire,
  channel: Channel,
  queue: string,
  size: number,
  chunk: number,
): Promise<ConsumeMessage[]> {
  const messages: ConsumeMessage[] = [];
  await channel.prefetch(size);
  const consumerTag = `atma-events.browse.${String(chunk).padStart(6, '0')}`;
  let consuming = false;
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
      const take = (message: ConsumeMessage | null) => {
        if (message === null) return done(new Error('cancelled by the broker'));
        messages.push(message);
        if (messages.length === size) done();
      };
      channel.consume(queue, take, { consumerTag }).then(() => {
        consuming = true;
      }, done);
    });
  } finally {
    if (consuming) await channel.cancel(consumerTag).catch(() => {}); // gone with its channel
  }
  return messages;
}

/**
 * Closes the channel; should it go before, the same happens. A quorum queue notices a moment later, and whoever looked
 * at once would find it empty: so it is asked until it is as deep as it was. Where others consume or messages expire
 * it never may be; then half a second has been lost.
 */
async function putBack(
  wire: Wire,
  channel: Channel,
  queue: string,
  ready: number,
  others: number,
): Promise<void> {
  await closeChannel(channel);
  try {
    let deepest = -1;
    // 100,000 take seconds: as long as it gets deeper, they are on their way.
    for (let still = 0; still < 50; still++) {
      const { messageCount, consumerCount } = await onScratchChannel(wire, (scratch) =>
        scratch.checkQueue(queue),
      );
      // A quorum queue counts the consumers of this browse among them until it has noticed that they are gone.
      if (messageCount >= ready || (others > 0 && consumerCount > 0)) return;
      if (messageCount > deepest) still = 0;
      deepest = Math.max(deepest, messageCount);
      await pause(PUT_BACK_PAUSE_MS);
    }
  } catch {
    // The queue or the connection is gone: there is nothing to wait for.
  }
}
