/**
 * Settling the deliveries of one channel. Acks of one turn of the event loop go out together: everything
 * below the lowest delivery still unsettled as one `multiple` ack, the rest one by one, in one write.
 * Nacks and rejects are written at once, so that no later `multiple` ack can cover them.
 */

import type { Channel } from 'amqplib';
import type { Settlement } from '../../core/transport.js';
import { channelNumber, type Wire } from './wire.js';

const FRAME_BYTES = 21;
const FRAME_END = 0xce;
const ACK = 80;
const REJECT = 90;
const NACK = 120;
const MULTIPLE = 1;
/** In basic.nack; in basic.reject the same bit would be `requeue` at position 0. */
const NACK_REQUEUE = 2;
const REJECT_DROP = 0;

const LOST: Promise<Settlement> = Promise.resolve('lost');
const SETTLED: Promise<Settlement> = Promise.resolve('settled');

interface Batch {
  readonly outcome: Promise<Settlement>;
  readonly tell: (settlement: Settlement) => void;
}

/** Settlements of one subscription, over all its channels. */
export interface Tally {
  /** How many were made. */
  made: number;
  /** None after this one is known to have been lost. */
  lostUpTo: number;
}

export class Settling {
  private alive = true;
  /** Delivered and not settled by the application, in order of tags (Sets keep insertion order). */
  private readonly unsettled = new Set<number>();
  private acked: number[] = [];
  private batch: Batch | undefined;
  private readonly number: number;

  constructor(
    private readonly wire: Wire,
    channel: Channel,
    private readonly tally: Tally,
  ) {
    this.number = channelNumber(channel);
  }

  delivered(tag: number): void {
    this.unsettled.add(tag);
  }

  /** One promise for all acks of a turn: with 40,000 a second, one each would show. */
  ack(tag: number): Promise<Settlement> {
    this.tally.made++;
    if (!this.alive) return this.late();
    this.unsettled.delete(tag);
    this.acked.push(tag);
    if (this.batch === undefined) {
      this.batch = makeBatch();
      setImmediate(() => this.flush());
    }
    return this.batch.outcome;
  }

  requeue(tag: number): Promise<Settlement> {
    return this.writeNow(tag, NACK, NACK_REQUEUE);
  }

  reject(tag: number): Promise<Settlement> {
    return this.writeNow(tag, REJECT, REJECT_DROP);
  }

  /** Writes the acks that wait for the end of the turn. */
  flush(): void {
    const { batch, acked } = this;
    if (batch === undefined) return;
    this.batch = undefined;
    this.acked = [];
    if (this.alive) this.wire.write(this.ackFrames(acked));
    batch.tell(this.alive ? 'settled' : 'lost');
  }

  /** The channel is gone: what was not written will be delivered again, and what was written may be. */
  end(): void {
    if (!this.alive) return;
    this.alive = false;
    this.tally.lostUpTo = this.tally.made;
    this.flush();
  }

  /** Settled on a channel that is gone. */
  private late(): Promise<Settlement> {
    this.tally.lostUpTo = this.tally.made;
    return LOST;
  }

  private ackFrames(acked: readonly number[]): Buffer {
    const lowest = this.unsettled.values().next().value ?? Number.POSITIVE_INFINITY;
    let covered = 0;
    let upTo = 0;
    for (const tag of acked) {
      if (tag >= lowest) continue;
      covered++;
      if (tag > upTo) upTo = tag;
    }
    const frames = Buffer.allocUnsafe((acked.length - covered + (covered > 0 ? 1 : 0)) * FRAME_BYTES);
    let offset = 0;
    if (covered > 0) offset = this.frame(frames, offset, ACK, upTo, covered > 1 ? MULTIPLE : 0);
    for (const tag of acked) if (tag > lowest) offset = this.frame(frames, offset, ACK, tag, 0);
    return frames;
  }

  private writeNow(tag: number, method: number, bits: number): Promise<Settlement> {
    this.tally.made++;
    if (!this.alive) return this.late();
    this.unsettled.delete(tag);
    const frame = Buffer.allocUnsafe(FRAME_BYTES);
    this.frame(frame, 0, method, tag, bits);
    this.wire.write(frame);
    return SETTLED;
  }

  /** Class 60 (basic), arguments: delivery tag (64 bits), flags. */
  private frame(into: Buffer, at: number, method: number, tag: number, bits: number): number {
    into[at] = 1;
    into.writeUInt16BE(this.number, at + 1);
    into.writeUInt32BE(FRAME_BYTES - 8, at + 3);
    into.writeUInt16BE(60, at + 7);
    into.writeUInt16BE(method, at + 9);
    into.writeUInt32BE(Math.floor(tag / 0x1_0000_0000), at + 11);
    into.writeUInt32BE(tag >>> 0, at + 15);
    into[at + 19] = bits;
    into[at + 20] = FRAME_END;
    return at + FRAME_BYTES;
  }
}

function makeBatch(): Batch {
  let tell: (settlement: Settlement) => void = () => {};
  const outcome = new Promise<Settlement>((resolve) => {
    tell = resolve;
  });
  return { outcome, tell };
}
