/**
 * The frames of a publishing channel, in order, gathered into writes of some 16 KiB. The rest goes out at the end
 * of the turn.
 *
 * Not all of a turn in one write, because RabbitMQ confirms a thousand messages with one ack: then a thousand
 * continuations publish again in one turn, and the broker would idle until all are encoded (12 ms). Not each
 * message in a write of its own, because a system call costs 7 microseconds.
 */
import type { OutgoingMessage } from '../../core/message.js';
import type { Cursor } from './cursor.js';
import { PLAIN_BYTES, writePublish } from './publish-frames.js';

/** What is below this: where bytes go, and amqplib's way to send a message, which ends in `append`. */
export interface OutboxTarget {
  readonly channel: number;
  readonly frameMax: number;
  write(bytes: Buffer): void;
  /** Throws on what cannot be encoded, and on a channel that is closing; nothing is sent then. */
  sendMessage(message: OutgoingMessage): void;
  isOpen(): boolean;
}

const WRITE_BYTES = 16 * 1024;
const SLAB_BYTES = 4 * WRITE_BYTES;

export class Outbox {
  private cursor: Cursor = makeSlab();
  /** What lies before is with the socket. */
  private written = 0;
  private scheduled = false;

  constructor(private readonly target: OutboxTarget) {}

  publish(message: OutgoingMessage): void {
    const { target } = this;
    if (this.cursor.at + PLAIN_BYTES > SLAB_BYTES) this.renew();
    if (!target.isOpen() || !writePublish(this.cursor, target.channel, target.frameMax, message)) {
      target.sendMessage(message);
    }
    this.grown();
  }

  append(frame: Buffer): void {
    if (frame.length >= WRITE_BYTES) {
      this.flush();
      this.target.write(frame);
      return;
    }
    if (this.cursor.at + frame.length > SLAB_BYTES) this.renew();
    this.cursor.bytes.set(frame, this.cursor.at);
    this.cursor.at += frame.length;
    this.grown();
  }

  private grown(): void {
    if (this.cursor.at - this.written >= WRITE_BYTES) this.flush();
    else if (!this.scheduled) {
      this.scheduled = true;
      setImmediate(() => {
        this.scheduled = false;
        this.flush();
      });
    }
  }

  private flush(): void {
    const { bytes, at } = this.cursor;
    if (at > this.written) this.target.write(bytes.subarray(this.written, at));
    this.written = at;
  }

  /** The old slab belongs to the socket until it is sent. */
  private renew(): void {
    this.flush();
    this.cursor = makeSlab();
    this.written = 0;
  }
}

function makeSlab(): Cursor {
  return { bytes: Buffer.allocUnsafeSlow(SLAB_BYTES), at: 0 };
}
