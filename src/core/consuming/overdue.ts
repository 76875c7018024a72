/**
 * Notices handlers that run for too long. RabbitMQ closes the channel of a consumer that holds a delivery for more
 * than `consumer_timeout`, 30 minutes by default (https://www.rabbitmq.com/docs/consumers#acknowledgement-timeout):
 * everything in its hands is then delivered again, and the handler runs twice.
 */
import { type SetTimer, unrefTimer } from './timer.js';

export interface OverdueOptions<Token> {
  /** Milliseconds after which something is overdue. */
  readonly afterMs: number;
  /** Milliseconds on a clock that never goes back (`performance.now`). */
  readonly now: () => number;
  /** Default: a timer that keeps no process alive. */
  readonly setTimer?: SetTimer;
  /** Told once of each token that is overdue, with how long it has been running. Must not throw. */
  readonly onOverdue: (token: Token, runningMs: number) => void;
}

export interface OverdueWatch<Token> {
  /** Starts the time of this token, anew when it was running. */
  started(token: Token): void;
  /** Forgets the token. Without effect when it is not known. */
  ended(token: Token): void;
  /** Forgets everything. Idempotent. */
  close(): void;
}

/**
 * Watches what runs. Costs one entry of a map for each token, and one timer for all: tokens become overdue in the
 * order in which they started, so the oldest is the only one to look at.
 */
export function watchOverdue<Token>(options: OverdueOptions<Token>): OverdueWatch<Token> {
  const { afterMs, now, setTimer = unrefTimer, onOverdue } = options;
  /** Token to its start, the oldest first. */
  const running = new Map<Token, number>();
  let cancelTimer: (() => void) | undefined;
  let closed = false;

  function look(): void {
    cancelTimer = () => {}; // what `onOverdue` starts must not set a timer of its own
    const dueInMs = tellOverdue();
    cancelTimer = dueInMs === undefined ? undefined : setTimer(look, dueInMs);
  }

  /** Milliseconds until the next token is overdue, or undefined when nothing runs. */
  function tellOverdue(): number | undefined {
    const time = now();
    for (const [token, startedAt] of running) {
      const runningMs = time - startedAt;
      if (runningMs < afterMs) return afterMs - runningMs;
      running.delete(token); // told of once
      onOverdue(token, runningMs);
    }
    return undefined;
  }

  return {
    started(token) {
      if (closed) return;
      running.delete(token); // set alone would leave it in its old place
      running.set(token, now());
      cancelTimer ??= setTimer(look, afterMs);
    },
    ended(token) {
      running.delete(token);
    },
    close() {
      closed = true;
      running.clear();
      cancelTimer?.();
      cancelTimer = undefined;
    },
  };
}
