/**
 * The one place that reaches below amqplib's public API (pinned to 2.3.1). Reasons, in its terms:
 * - `channel.publish` copies options into a fresh object with a prototype and always sends a header table;
 *   `sendMessage` takes fields as they are, so absent headers stay absent, and costs less.
 * - its confirm bookkeeping keeps a slot for ever when a `multiple` ack ends below an already confirmed tag.
 * - it makes five buffers of a message, and writes each with a system call of its own at the end of the turn; see
 *   publish-frames.ts and outbox.ts.
 * - it queues an ack until a later turn; written directly, it is with the kernel when `ack()` resolves.
 * - its decoder forgets the wire types of headers (see content-header.ts).
 */
import type { Duplex } from 'node:stream';
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib';
import { readContentHeader } from './content-header.js';
import { forAmqplib } from './messages.js';
import { Outbox } from './outbox.js';

interface InnerConnection {
  readonly stream: Duplex;
  rest: Buffer;
  readonly frameMax: number;
  /** Above it, a frame that comes in is refused; 0: never. */
  readonly maxFrameSize: number;
  /** By number. `buffer` takes what the channel sends, and hands it on a turn later. */
  readonly channels: readonly ({ readonly buffer: { write(frame: Buffer): boolean } } | null)[];
  sendBytes(bytes: Buffer): void;
  recvFrame(): InnerFrame | false;
}

interface InnerFrame {
  readonly id?: number;
  readonly channel: number;
  readonly size?: number;
  readonly fields?: object;
}

interface InnerChannel {
  readonly ch: number;
  sendMessage(fields: object, properties: object, content: Buffer): boolean;
}

/** One open connection. Once `closed`, it stays so; the link makes another. */
export interface Wire {
  readonly model: ChannelModel;
  /** Resolves when the connection has ended, however that came. */
  readonly ended: Promise<Error | undefined>;
  closed: boolean;
  /** Written at once, before anything that still waits in amqplib's channel buffers. */
  write(frames: Buffer): void;
  /** From now on, everything that is sent on this channel goes through the outbox, in order. */
  openOutbox(channel: ConfirmChannel): Outbox;
  /**
   * From now on, headers received on this channel carry their wire types, and messages the properties of our model:
   * `exactMessage` makes ours of them.
   */
  typeHeaders(channel: Channel): void;
  /** Tears the socket down without ceremony, for a broker that does not answer. */
  destroy(): void;
}

const HEADER_FRAME = 2;
const FRAME_HEAD = 7;
const FRAME_OVERHEAD = 8;
const FRAME_END = 0xce;
const CLASS_BASIC = 60;
/** A peer that never answers our FIN would hold the process open. */
const LINGER_MS = 1_000;

export function makeWire(model: ChannelModel): Wire {
  const connection = model.connection as unknown as InnerConnection;
  const { stream } = connection;
  let typedChannels: Set<number> | undefined;
  const wire: Wire = {
    model,
    closed: false,
    ended: new Promise((resolve) => {
      let cause: Error | undefined;
      // Without a listener an `error` would end the process; `close` follows and tells the rest.
      model.on('error', (error: Error) => {
        cause = error;
      });
      model.on('close', (error?: Error) => {
        wire.closed = true;
        setTimeout(() => stream.destroy(), LINGER_MS).unref();
        resolve(cause ?? error);
      });
    }),
    write: (frames) => connection.sendBytes(frames),
    openOutbox(channel) {
      const inner = channel as unknown as InnerChannel;
      const buffer = connection.channels[inner.ch]?.buffer;
      if (buffer === undefined) throw new Error('the channel was closed');
      const outbox = new Outbox({
        channel: inner.ch,
        frameMax: connection.frameMax,
        write(bytes) {
          if (!wire.closed) connection.sendBytes(bytes);
        },
        sendMessage(message) {
          const fields = forAmqplib(message);
          inner.sendMessage(fields, fields, message.body);
        },
        // A channel that is closing is given a method of its own that throws.
        isOpen: () => !Object.hasOwn(inner, 'sendMessage'),
      });
      buffer.write = (frame) => {
        outbox.append(frame);
        return true; // the window bounds what waits here
      };
      return outbox;
    },
    typeHeaders(channel) {
      typedChannels ??= readHeadersOn(connection);
      typedChannels.add(channelNumber(channel));
      channel.once('close', () => typedChannels?.delete(channelNumber(channel)));
    },
    destroy() {
      // An error, because only then amqplib clears its heartbeat timers and closes its channels.
      stream.destroy(new Error('given up by the client'));
    },
  };
  return wire;
}

export function channelNumber(channel: Channel): number {
  return (channel as unknown as InnerChannel).ch;
}

/** `recvFrame` is called for every frame, and again once more bytes are in `rest`: content headers are read here. */
function readHeadersOn(connection: InnerConnection): Set<number> {
  const channels = new Set<number>();
  const original = connection.recvFrame;
  connection.recvFrame = function recvFrame(this: InnerConnection) {
    const { rest } = this;
    // What is not as it should be is for amqplib to refuse.
    const end = wholeHeader(rest, this.maxFrameSize);
    if (end === undefined) return original.call(this);
    const channel = rest.readUInt16BE(1);
    if (!channels.has(channel)) return original.call(this);
    const { size, properties } = readContentHeader(rest, FRAME_HEAD);
    this.rest = rest.subarray(end + 1);
    return { id: CLASS_BASIC, channel, size, fields: properties };
  };
  return channels;
}

/** Where the payload of the frame ends that `bytes` begin with, when that is a whole content header. */
function wholeHeader(bytes: Buffer, maxFrameSize: number): number | undefined {
  if (bytes.length < FRAME_OVERHEAD || bytes[0] !== HEADER_FRAME) return undefined;
  const size = bytes.readUInt32BE(3);
  const end = FRAME_HEAD + size;
  if (maxFrameSize > 0 && size > maxFrameSize) return undefined;
  return bytes.length > end && bytes[end] === FRAME_END ? end : undefined;
}
