/** Waits that end at once when their owner closes. */
export interface Pause {
  /** Resolves after `ms`, or as soon as `stop` was called. */
  for(ms: number): Promise<void>;
  stop(): void;
}

export function makePause(): Pause {
  const pending = new Set<() => void>();
  let stopped = false;
  return {
    for(ms) {
      if (stopped) return Promise.resolve();
      return new Promise((resolve) => {
        const end = () => {
          clearTimeout(timer);
          pending.delete(end);
          resolve();
        };
        const timer = setTimeout(end, ms);
        pending.add(end);
      });
    },
    stop() {
      stopped = true;
      for (const end of [...pending]) end();
    },
  };
}
