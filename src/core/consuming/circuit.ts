/**
 * Decides when a consumer stops taking deliveries because what its handlers need is down.
 *
 * | state | outcome or event | goes to |
 * |---|---|---|
 * | closed | success | closed |
 * | closed | failure, fewer than `threshold` of the window failed | closed |
 * | closed | failure, at least `threshold` of the window failed | open, for `openMs` |
 * | open | success or failure of what was still running | open |
 * | open | its pause is over | half-open |
 * | half-open | success | closed, with an empty window and a pause of `openMs` again |
 * | half-open | failure | open, for twice as long as before, `maxOpenMs` at most |
 *
 * Window and pauses are cockatiel's (docs/decisions/0008-circuit-breaker-on-cockatiel.md). Importing it takes 20
 * to 40 ms: load this module when a consumer starts, not with the package.
 */
import { CircuitState as BreakerState, CountBreaker, ExponentialBackoff, noJitterGenerator } from 'cockatiel';
import { type CircuitOptions, circuitDefaults } from './circuit-options.js';
import { type SetTimer, unrefTimer } from './timer.js';

export type CircuitState = 'closed' | 'open' | 'half-open';

export interface CircuitDeps {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Default: a timer that keeps no process alive. */
  readonly setTimer?: SetTimer;
  /**
   * Told of every change, once the circuit is in the new state. `cause`: the failure that opened it (also while
   * half-open), undefined once closed. `pauseMs`: how long it stays open, 0 in the other states. Must not throw.
   */
  readonly onChange: (state: CircuitState, cause: unknown, pauseMs: number) => void;
}

export interface Circuit {
  state(): CircuitState;
  /** When it came to this state, milliseconds since 1970. */
  since(): number;
  /** An attempt went well. While half-open, report the probe only: what began earlier says nothing about now. */
  succeeded(): void;
  /** An attempt failed for a reason that may lie in what the handler depends on. While half-open: see `succeeded`. */
  failed(error: unknown): void;
  /** Ends the pause's timer; the state stays what it is. Idempotent. */
  close(): void;
}

const FEWEST_ATTEMPTS = 10;

/** A closed circuit. Throws `usage` on options out of their range. */
export function createCircuit(options: CircuitOptions, deps: CircuitDeps): Circuit {
  const { threshold, window, openMs, maxOpenMs } = circuitDefaults(options);
  const setTimer = deps.setTimer ?? unrefTimer;
  const breaker = new CountBreaker({
    // CountBreaker opens above its threshold, and refuses 1: ours is reached, not passed.
    threshold: threshold - 1e-9,
    size: window,
    minimumNumberOfCalls: Math.min(window, Math.max(FEWEST_ATTEMPTS, Math.ceil(window / 2))),
  });
  const pauses = new ExponentialBackoff({
    generator: noJitterGenerator,
    initialDelay: openMs,
    maxDelay: maxOpenMs,
  });
  let pause = pauses.next();
  let state: CircuitState = 'closed';
  let since = deps.now();
  let closed = false;
  let cancelTimer = () => {};

  function change(next: CircuitState, cause: unknown, pauseMs: number): void {
    state = next;
    since = deps.now();
    deps.onChange(next, cause, pauseMs);
  }

  function open(cause: unknown): void {
    const { duration } = pause;
    pause = pause.next(undefined);
    cancelTimer = setTimer(() => {
      if (!closed) change('half-open', cause, 0);
    }, duration);
    change('open', cause, duration);
  }

  return {
    state: () => state,
    since: () => since,
    succeeded() {
      if (state === 'closed') {
        breaker.success(BreakerState.Closed);
      } else if (state === 'half-open' && !closed) {
        breaker.success(BreakerState.HalfOpen); // empties its window
        pause = pauses.next();
        change('closed', undefined, 0);
      }
    },
    failed(error) {
      if (closed || state === 'open') return;
      if (breaker.failure(state === 'closed' ? BreakerState.Closed : BreakerState.HalfOpen)) open(error);
    },
    close() {
      closed = true;
      cancelTimer();
    },
  };
}
