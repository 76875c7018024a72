/**
 * A subscription that outlives its channel: opened once, opened again whenever the channel goes, until it is
 * stopped or what it reads from stays missing. Consumers and taps differ only in how they open a channel.
 */
import type { Channel } from 'amqplib';
import type { Subscription } from '../../core/transport.js';
import type { AmqpAddress } from './address.js';
import { closeChannel } from './channels.js';
import { channelFailure, closedError } from './failures.js';
import type { Link } from './link.js';
import { makePause } from './pause.js';
import type { Settling } from './settling.js';
import type { Wire } from './wire.js';
import { within } from './within.js';

/** What one opening made. */
export interface OpenChannel {
  readonly channel: Channel;
  readonly settling: Settling;
  readonly consumerTags: readonly string[];
}

export interface ReopeningOptions {
  readonly link: Link;
  readonly address: AmqpAddress;
  /** Sets a fresh channel up. `lost` is to be called when the broker cancels the consumer. */
  readonly open: (wire: Wire, channel: Channel, lost: (cause: string) => void) => Promise<OpenChannel>;
  /** The channel went and is being opened again. `connection` tells whether the whole connection went. */
  readonly onLost: (cause: string, connection: boolean) => void;
  /** How long a missing queue or exchange is waited for before the subscription ends. Milliseconds. */
  readonly missingBudgetMs: number;
  readonly now: () => number;
}

const REOPEN_FIRST_MS = 50;
const REOPEN_LAST_MS = 1_000;
const CLOSE_MS = 2_000;

/** Opens, and rejects when the first opening fails. */
export async function openSubscription(options: ReopeningOptions): Promise<ReopeningSubscription> {
  const subscription = new ReopeningSubscription(options);
  await subscription.start();
  return subscription;
}

export class ReopeningSubscription implements Subscription {
  readonly ended: Promise<void>;
  private current: OpenChannel | undefined;
  private stopped = false;
  private closing: Promise<void> | undefined;
  private finish: { resolve(): void; reject(error: Error): void } = { resolve() {}, reject() {} };
  private readonly pause = makePause();

  constructor(private readonly options: ReopeningOptions) {
    this.ended = new Promise((resolve, reject) => {
      this.finish = { resolve, reject };
    });
    // Whoever does not watch `ended` does not want the process to end over it.
    this.ended.catch(() => {});
  }

  async start(): Promise<void> {
    await this.options.link.run((wire) => this.openOn(wire));
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    this.pause.stop();
    const open = this.current;
    if (open === undefined) return;
    const cancels = open.consumerTags.map((tag) => open.channel.cancel(tag));
    // A cancel fails only with its channel, and then nothing is delivered any more either.
    await within(CLOSE_MS, Promise.allSettled(cancels));
  }

  close(): Promise<void> {
    this.closing ??= this.hand();
    return this.closing;
  }

  /** Ends for good, by itself. */
  fail(error: Error): void {
    this.finish.reject(error);
    // Ended already; a failing close has nobody left to tell.
    void this.close().catch(() => {});
  }

  private async hand(): Promise<void> {
    await this.stop();
    const open = this.current;
    this.current = undefined;
    if (open !== undefined) {
      open.settling.flush();
      open.settling.end();
      // Closing the channel is what puts the unsettled back; a channel that is gone already has done so.
      await within(CLOSE_MS, closeChannel(open.channel));
    }
    this.finish.resolve();
  }

  private async openOn(wire: Wire): Promise<void> {
    const channel = await wire.model.createChannel();
    let cause: string | undefined;
    let open: OpenChannel | undefined;
    channel.on('error', (error: Error) => {
      cause = error.message;
    });
    const lost = (why: string) => {
      if (open === undefined || this.current !== open) return;
      this.current = undefined;
      open.settling.end();
      if (this.stopped) return;
      this.options.onLost(why, wire.closed);
      void this.reopen();
    };
    // `close` comes before the connection's own `close` when all of it goes; a turn later that is known.
    channel.on('close', () => {
      open?.settling.end();
      setImmediate(() => lost(cause ?? 'the connection went'));
    });
    try {
      open = await this.options.open(wire, channel, (why) => {
        void closeChannel(channel);
        lost(why);
      });
    } catch (error) {
      await closeChannel(channel);
      throw error;
    }
    if (this.stopped) await closeChannel(channel);
    else this.current = open;
  }

  private async reopen(): Promise<void> {
    const { link, address, now, missingBudgetMs } = this.options;
    let missingSince: number | undefined;
    for (let attempt = 0; !this.stopped; attempt++) {
      try {
        const wire = await link.use(Number.POSITIVE_INFINITY);
        if (this.stopped) return;
        await this.openOn(wire);
        return;
      } catch (error) {
        const failure = link.isClosed ? closedError() : channelFailure(error, address);
        if (failure.code === 'closed') return;
        if (failure.code !== 'unreachable') {
          missingSince ??= now();
          if (now() - missingSince >= missingBudgetMs) {
            this.fail(failure);
            return;
          }
        }
        await this.pause.for(Math.min(REOPEN_LAST_MS, REOPEN_FIRST_MS * 2 ** Math.min(attempt, 10)));
      }
    }
  }
}
