/** What ends a send before its answer: one per send, and one listener per AbortSignal however many sends share it. */
import type { SetTimer } from '../core/consuming/timer.js';

/** `aborted`: by the caller. `late`: its time is up. `closed`: the client is closing and waits no longer. */
export type StopReason = 'aborted' | 'late' | 'closed';

export interface Stop {
  readonly reason: StopReason | undefined;
  /** Calls `work` once when it is stopped, at once when it is. Returns how to call it off. */
  onStop(work: () => void): () => void;
}

export interface StopSwitch extends Stop {
  /** The first reason counts. */
  stop(reason: StopReason): void;
}

export function createStop(): StopSwitch {
  let reason: StopReason | undefined;
  const works = new Set<() => void>();
  return {
    get reason() {
      return reason;
    },
    onStop(work) {
      if (reason !== undefined) {
        work();
        return () => {};
      }
      const own = () => work();
      works.add(own);
      return () => works.delete(own);
    },
    stop(why) {
      if (reason !== undefined) return;
      reason = why;
      for (const work of [...works]) work();
      works.clear();
    },
  };
}

/** Resolves after `ms`, or as soon as it is stopped. */
export function pause(ms: number, stop: Stop, setTimer: SetTimer): Promise<void> {
  return new Promise((resolve) => {
    const cancel = setTimer(() => {
      forget();
      resolve();
    }, ms);
    const forget = stop.onStop(() => {
      cancel();
      resolve();
    });
  });
}

interface Listener {
  readonly works: Set<() => void>;
  end(): void;
}

const listeners = new WeakMap<AbortSignal, Listener>();

/**
 * Calls `work` once when the signal is aborted, at once when it is. Returns how to call it off. Node warns of a leak from
 * eleven listeners on; a worker's ten thousand sends have one signal in common.
 */
export function onAbort(signal: AbortSignal | undefined, work: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    work();
    return () => {};
  }
  const { works, end } = listeners.get(signal) ?? listen(signal);
  const own = () => work();
  works.add(own);
  return () => {
    works.delete(own);
    if (works.size === 0) end();
  };
}

function listen(signal: AbortSignal): Listener {
  const works = new Set<() => void>();
  const fire = () => {
    listeners.delete(signal);
    for (const work of [...works]) work();
  };
  const listener = {
    works,
    end() {
      signal.removeEventListener('abort', fire);
      listeners.delete(signal);
    },
  };
  signal.addEventListener('abort', fire, { once: true });
  listeners.set(signal, listener);
  return listener;
}
