/**
 * A transport for a publisher that resolves once the message is on disk; a pump sends what is on disk. States, order,
 * what a crash leaves behind and what a failure holds back: docs/outbox.md.
 */
import { callOut } from '../consuming/call-out.js';
import { seldom } from '../consuming/seldom.js';
import { type SetTimer, unrefTimer } from '../consuming/timer.js';
import { EventsError } from '../errors.js';
import type { OutgoingMessage } from '../message.js';
import type { Transport } from '../transport.js';
import { within } from '../within.js';
import { createLanes } from './outbox-lanes.js';
import { OutboxPump } from './outbox-pump.js';
import type { OutboxStore } from './outbox-store.js';
import type { OutboxTrouble } from './outbox-trouble.js';

export interface OutboxOptions {
  /** Entries handed to the transport at a time, 1 to 10,000; not more than its `maxInFlight`. Default 200. */
  readonly window?: number;
  /** Pace of the tries after a failure. */
  readonly retry?: {
    /** Milliseconds before the second try; doubled with each further one. Default 100. */
    readonly firstMs?: number;
    /** Milliseconds at most. Default 30,000. */
    readonly longestMs?: number;
    /** Share of a pause by which it may be shortened at random, 0 to 1. Default 0.1. */
    readonly jitter?: number;
  };
  /** Told when something keeps it from sending, and once a minute while it lasts. Must not throw. */
  readonly onTrouble?: (trouble: OutboxTrouble) => void;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
  /** Milliseconds of a clock that nobody sets. Default `performance.now`. */
  readonly clock?: () => number;
  /** From 0 up to 1. Default `Math.random`. */
  readonly random?: () => number;
  /** Default: a timer that keeps no process alive, for what waits is on disk. */
  readonly setTimer?: SetTimer;
}

export interface OutboxState {
  /** Messages on disk: not confirmed yet, those in flight included. */
  readonly waiting: number;
  /** When the oldest of them was published, milliseconds since 1970. */
  readonly oldestAt: number | undefined;
  /** Handed to the transport, which has not answered. */
  readonly inFlight: number;
  /** What holds back most: the file, else the line, else the lane or message that has waited longest. */
  readonly trouble: OutboxTrouble | undefined;
}

export interface Outbox extends Pick<Transport, 'publish' | 'scheme'> {
  /**
   * Resolves once the message is on disk. Rejects with `storage` (a full disk, say), `publish-refused` (it cannot be kept)
   * or `closed`; then nothing of it is kept. It arrives at least once: what arrives twice has one message id.
   */
  publish(message: OutgoingMessage): Promise<void>;
  state(): OutboxState;
  /** Resolves once nothing waits any more; rejects with `closed` when it was closed before. */
  drained(): Promise<void>;
  /**
   * Takes no more; sends what can be sent without waiting for better times, for at most `deadlineMs` (default 10,000); then
   * closes the store. Gives how many messages stay on disk, for the next process. Close the transport after it. Idempotent.
   */
  close(options?: { readonly deadlineMs?: number }): Promise<{ readonly left: number }>;
}

const WARNING_PAUSE_MS = 60_000;

/**
 * Sends what is in the store from now on, and what is published. The store is the outbox's from here on: `close` closes it.
 * Throws `usage` for options out of their range.
 */
export function createOutbox(
  transport: Pick<Transport, 'publish' | 'scheme'>,
  store: OutboxStore,
  options: OutboxOptions = {},
): Outbox {
  const { window, backoff } = checked(options);
  const { now = Date.now, clock = () => performance.now(), setTimer = unrefTimer, onTrouble } = options;
  const mayTell = seldom(WARNING_PAUSE_MS, clock);
  const pump = new OutboxPump(transport, store, createLanes({ backoff, clock, now }), {
    window,
    backoff,
    now,
    clock,
    setTimer,
    onTrouble(trouble, what) {
      if (onTrouble !== undefined && mayTell(what) !== undefined) callOut(() => onTrouble(trouble));
    },
  });
  let closing: Promise<{ left: number }> | undefined;
  let appending = 0;
  let appended: () => void = () => {};

  async function shutDown(deadlineMs: number): Promise<{ left: number }> {
    const done = async () => {
      if (appending > 0) {
        await new Promise<void>((resolve) => {
          appended = resolve;
        });
      }
      await pump.finish();
    };
    await within(deadlineMs, done());
    pump.stop();
    await store.close();
    return { left: store.state().waiting };
  }

  return {
    scheme: transport.scheme,
    publish(message) {
      if (closing !== undefined) return Promise.reject(new EventsError('closed', 'The outbox is closed'));
      appending++;
      const settled = () => {
        if (--appending === 0) appended();
      };
      return store.append(message).then(
        () => {
          settled();
          pump.wake();
        },
        (error: unknown) => {
          settled();
          throw error;
        },
      );
    },
    state: () => ({ ...store.state(), inFlight: pump.inFlight, trouble: pump.trouble() }),
    drained: () => pump.drained(),
    close({ deadlineMs = 10_000 } = {}) {
      closing ??= shutDown(deadlineMs);
      return closing;
    },
  };
}

function checked({ window = 200, retry = {}, random = Math.random }: OutboxOptions): {
  readonly window: number;
  /** Milliseconds until the next try after so many. */
  readonly backoff: (tries: number) => number;
} {
  const { firstMs = 100, longestMs = 30_000, jitter = 0.1 } = retry;
  if (!Number.isInteger(window) || window < 1 || window > 10_000) {
    throw new EventsError('usage', `window must be a whole number from 1 to 10,000, got ${window}`);
  }
  if (!(firstMs >= 1 && longestMs >= firstMs)) {
    throw new EventsError('usage', `retry.firstMs must be from 1 up to retry.longestMs, got ${firstMs}`);
  }
  if (!(jitter >= 0 && jitter <= 1)) {
    throw new EventsError('usage', `retry.jitter must be from 0 to 1, got ${jitter}`);
  }
  const pause = (tries: number) => Math.min(longestMs, firstMs * 2 ** (tries - 1));
  return { window, backoff: (tries) => pause(tries) * (1 - jitter * random()) };
}
