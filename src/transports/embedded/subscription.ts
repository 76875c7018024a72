/** The life of a subscription: running, stopped, closed; or ended by itself. */
import type { Subscription } from '../../core/transport.js';

export interface OwnSubscription extends Subscription {
  /** Ends it for good: `ended` rejects with `reason`. */
  readonly fail: (reason: Error) => void;
}

export interface SubscriptionSteps {
  readonly stop: () => Promise<void>;
  /** Runs after `stop`. */
  readonly close: () => Promise<void>;
}

/** Each step runs once, however often and concurrently it is asked for; one that failed can be tried again. */
export function openSubscription(steps: SubscriptionSteps): OwnSubscription {
  let stopping: Promise<void> | undefined;
  let closing: Promise<void> | undefined;
  let settle: { resolve: () => void; reject: (reason: Error) => void } | undefined;
  const ended = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Nobody has to watch `ended`: unwatched, its rejection must not bring the process down.
  ended.catch(() => undefined);
  const stop = () => {
    stopping ??= steps.stop().catch((error) => {
      stopping = undefined;
      throw error;
    });
    return stopping;
  };
  const close = () => {
    closing ??= stop()
      .then(steps.close)
      .then(() => settle?.resolve())
      .catch((error) => {
        closing = undefined;
        throw error;
      });
    return closing;
  };
  return { stop, close, ended, fail: (reason) => settle?.reject(reason) };
}
