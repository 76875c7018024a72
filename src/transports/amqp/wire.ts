/**
 * The one place that reaches below amqplib's public API (pinned to 2.3.1). Reasons, in its terms:
 * - `channel.publish` copies options into a fresh object with a prototype and always sends a header table;
 *   `sendMessage` takes fields as they are, so absent headers stay absent, and costs less.
 * - its confirm bookkeeping keeps a slot for ever when a `multiple` ack ends below an already confirmed tag.
 * - it makes five buffers of a message, and writes each with a system call of its own at the end of the turn; see
 *   publish-frames.ts and outbox.ts.
 * - it queues an ack until a later turn; written directly, it is with the kernel when `ack()` resolves.
 * - its decoder forgets the wire types of headers (see typed-headers.ts).
 */
import type { Duplex } from 'node:stream';
import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib';
import type { PublishFields } from './messages.js';
import { Outbox } from './outbox.js';
import { headersOf, mayHaveLostTypes } from './typed-headers.js';

interface InnerConnection {
  readonly stream: Duplex;
  readonly rest: Buffer;
  readonly frameMax: number;
  /** By number. `buffer` takes what the channel sends, and hands it on a turn later. */
  readonly channels: readonly ({ readonly buffer: { write(frame: Buffer): boolean } } | null)[];
  sendBytes(bytes: Buffer): void;
  recvFrame(): InnerFrame | false;
}

interface InnerFrame {
  readonly fields?: { headers?: unknown };
}

interface InnerChannel {
  readonly ch: number;
  sendMessage(fields: PublishFields, properties: PublishFields, content: Buffer): boolean;
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
  /** From now on, headers received on this channel carry their wire types. */
  typeHeaders(channel: Channel): void;
  /** Tears the socket down without ceremony, for a broker that does not answer. */
  destroy(): void;
}

const HEADER_FRAME = 2;
const FRAME_OVERHEAD = 8;
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
        sendMessage: (fields, body) => inner.sendMessage(fields, fields, body),
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
      typedChannels ??= observeHeaders(connection);
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

/** `recvFrame` is called for every frame, once its bytes are in `rest`: there the header table is read again. */
function observeHeaders(connection: InnerConnection): Set<number> {
  const channels = new Set<number>();
  const original = connection.recvFrame;
  connection.recvFrame = function recvFrame(this: InnerConnection) {
    const payload = headerPayload(this.rest, channels);
    const frame = original.call(this);
    if (payload !== undefined && frame !== false && frame.fields?.headers !== undefined) {
      if (mayHaveLostTypes(payload)) frame.fields.headers = headersOf(payload);
    }
    return frame;
  };
  return channels;
}

/** The payload of the frame that `bytes` begin with, when it is a whole content header of those channels. */
function headerPayload(bytes: Buffer, channels: ReadonlySet<number>): Buffer | undefined {
  if (bytes.length < FRAME_OVERHEAD || bytes[0] !== HEADER_FRAME) return undefined;
  const size = bytes.readUInt32BE(3);
  if (bytes.length < size + FRAME_OVERHEAD || !channels.has(bytes.readUInt16BE(1))) return undefined;
  return bytes.subarray(7, 7 + size);
}
