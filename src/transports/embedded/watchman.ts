/** Watches the broker file while a transport has readers: for other processes' commits, expiries and deaths. */
import type { Bell } from './bell.js';
import type { Broker } from './broker.js';
import { expireDue } from './expiry.js';
import type { Reaper } from './reaper.js';

/** The slow way of noticing commits, until the bell has proved to work and then in case a ring is lost. */
const UNPROVEN_LOOK_MS = 25;
const LOOK_MS = 100;
/** How often dead processes are looked for. */
const ROUND_MS = 250;
/** Expiries are not looked for more often than this under load. */
const EXPIRY_PAUSE_MS = 10;

export interface WatchOptions {
  readonly reaper: Reaper;
  /** Something was committed, maybe by this very process. */
  readonly stir: () => void;
  readonly failed: (error: unknown) => void;
}

/** Starts watching; keeps the process alive. Returns how to stop. */
export function startWatch(broker: Broker, bell: Bell, options: WatchOptions): () => void {
  let stopped = false;
  let seen: unknown;
  let lookMs = UNPROVEN_LOOK_MS;
  let lookTimer: NodeJS.Timeout | undefined;
  let tending: Promise<void> | undefined;
  let expiryTimer: NodeJS.Timeout | undefined;

  const guarded = (work: () => void) => {
    try {
      if (!stopped) work();
    } catch (error) {
      options.failed(error);
    }
  };

  const look = () =>
    guarded(() => {
      const version = broker.dataVersion();
      if (version === undefined || version !== seen) {
        seen = version;
        options.stir();
        expireIn(EXPIRY_PAUSE_MS);
      }
    });

  const tend = async () => {
    const due = await expireDue(broker);
    if (!stopped && due !== undefined) expireIn(Math.max(due - broker.now(), EXPIRY_PAUSE_MS));
  };

  let expiryAt = Number.POSITIVE_INFINITY;
  function expireIn(ms: number): void {
    const at = broker.now() + ms;
    if (expiryTimer !== undefined && expiryAt <= at) return;
    clearTimeout(expiryTimer);
    expiryAt = at;
    expiryTimer = setTimeout(
      () => {
        expiryTimer = undefined;
        run(tend);
      },
      Math.min(ms, 60_000),
    );
  }

  function run(work: () => Promise<void>): void {
    if (stopped || tending !== undefined) return;
    tending = work()
      .catch((error) => {
        if (!stopped) options.failed(error);
      })
      .finally(() => {
        tending = undefined;
      });
  }

  const goRound = () =>
    run(async () => {
      await options.reaper.round(0);
      await tend();
    });

  const patrol = () => {
    look();
    if (!stopped) lookTimer = setTimeout(patrol, lookMs);
  };

  const unlisten = bell.listen(() => {
    lookMs = LOOK_MS;
    look();
  });
  const unnews = broker.onNews(() => expireIn(EXPIRY_PAUSE_MS));
  const rounds = setInterval(goRound, ROUND_MS);
  bell.ring();
  patrol();
  return () => {
    stopped = true;
    unlisten();
    unnews();
    clearTimeout(lookTimer);
    clearInterval(rounds);
    clearTimeout(expiryTimer);
  };
}
