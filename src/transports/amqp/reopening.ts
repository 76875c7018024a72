/**
 * A subscription that outlives its channel: opened once, opened again whenever the channel goes, until it is
 * stopped or what it reads from stays missing. Consumers and taps differ only in how they open a channel.
 */
import type { Channel } from 'amqplib';
import { EventsError } from '../../core/errors.js';
import type { Settlement, Subscription } from '../../core/transport.js';
import { within } from '../../core/within.js';
import type { AmqpAddress } from './address.js';
import { closeChannel } from './channels.js';
import { channelFailure, closedError } from './failures.js';
import type { Link } from './link.js';
import { makePause } from './pause.js';
import { Settling, type Tally } from './settling.js';
import type { Wire } from './wire.js';

/** A fresh channel, to be set up. */
export interface FreshChannel {
  readonly wire: Wire;
  readonly channel: Channel;
  readonly settling: Settling;
  /** To be called when the broker cancels the consumer. */
  readonly lost: (cause: string) => void;
}

interface OpenChannel extends Pick<FreshChannel, 'channel' | 'settling'> {
  readonly consumerTags: readonly string[];
}

/** A channel went, and with it everything that was delivered on it and not settled. */
export interface Loss {
  readonly cause: string;
  /** The whole connection went. */
  readonly connection: boolean;
  /** False when the subscription was stopped before. */
  readonly reopening: boolean;
}

export interface ReopeningOptions {
  readonly link: Link;
  readonly address: AmqpAddress;
  /** Starts the consumers of a fresh channel; resolves with their tags. */
  readonly open: (fresh: FreshChannel) => Promise<readonly string[]>;
  /** Called before the channel is opened again. */
  readonly onLost: (loss: Loss) => void;
  /** How long a missing queue or exchange is waited for before the subscription ends. Milliseconds. */
  readonly missingBudgetMs: number;
  /**
   * The same for a queue that is locked: the broker may take as long to notice that our old connection, whose queue it
   * was, is gone.
   */
  readonly lockedBudgetMs: number;
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
  private failed = false;
  private closing: Promise<void> | undefined;
  private finish: { resolve(): void; reject(error: Error): void } = { resolve() {}, reject() {} };
  private readonly pause = makePause();
  private readonly tally: Tally = { made: 0, lostUpTo: 0 };
  /** Settlements up to this one have been answered for by `synchronise`. */
  private answered = 0;

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

  /**
   * `settled` once the broker has taken what was settled before, `lost` when some of it may not have arrived; each
   * loss is told once. `ask` is a method that the broker answers on the channel, and so after what it got before.
   */
  async synchronise(ask: (channel: Channel) => Promise<unknown>): Promise<Settlement> {
    if (this.closing !== undefined && !this.failed) throw new EventsError('closed', 'The consumer is closed');
    const { tally, answered, current } = this;
    const upTo = tally.made;
    let outcome: Settlement = 'settled';
    if (current !== undefined && upTo > answered) {
      current.settling.flush();
      try {
        await ask(current.channel);
      } catch {
        outcome = 'lost'; // a channel that does not answer is gone
      }
    }
    if (tally.lostUpTo > answered) outcome = 'lost';
    this.answered = Math.max(this.answered, upTo);
    return outcome;
  }

  /** Ends for good, by itself. */
  fail(error: Error): void {
    this.failed = true;
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
    const settling = new Settling(wire, channel, this.tally);
    let cause: string | undefined;
    let open: OpenChannel | undefined;
    channel.on('error', (error: Error) => {
      cause = error.message;
    });
    const lost = (why: string) => {
      if (open === undefined || this.current !== open) return;
      this.current = undefined;
      settling.end();
      this.options.onLost({ cause: why, connection: wire.closed, reopening: !this.stopped });
      if (!this.stopped) void this.reopen();
    };
    // `close` comes before the connection's own `close` when all of it goes; a turn later that is known.
    channel.on('close', () => {
      settling.end();
      setImmediate(() => lost(cause ?? 'the connection went'));
    });
    const cancelled = (why: string) => {
      void closeChannel(channel);
      lost(why);
    };
    try {
      const consumerTags = await this.options.open({ wire, channel, settling, lost: cancelled });
      open = { channel, settling, consumerTags };
    } catch (error) {
      await closeChannel(channel);
      throw error;
    }
    this.current = open;
    // Stopped meanwhile: what it was already given goes back.
    if (this.stopped) cancelled('stopped');
  }

  private async reopen(): Promise<void> {
    const { link, address, now, missingBudgetMs, lockedBudgetMs } = this.options;
    let refusedSince: number | undefined;
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
          refusedSince ??= now();
          const budgetMs = failure.code === 'queue-locked' ? lockedBudgetMs : missingBudgetMs;
          if (now() - refusedSince >= budgetMs) {
            this.fail(failure);
            return;
          }
        }
        await this.pause.for(Math.min(REOPEN_LAST_MS, REOPEN_FIRST_MS * 2 ** Math.min(attempt, 10)));
      }
    }
  }
}
