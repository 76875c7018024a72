/** Work that nobody waits for, kept in sight: it can be counted, and waited for at the end. */

export interface Unawaited {
  /** Begun and not ended. */
  readonly size: number;
  /** Takes work that has begun, and returns it. How it ends is somebody else's business. */
  add<T>(work: Promise<T>): Promise<T>;
  /** Resolves once none is left. */
  drained(): Promise<void>;
}

export function createUnawaited(): Unawaited {
  const open = new Set<Promise<unknown>>();
  return {
    get size() {
      return open.size;
    },
    add(work) {
      open.add(work);
      const end = () => open.delete(work);
      work.then(end, end);
      return work;
    },
    async drained() {
      while (open.size > 0) await Promise.allSettled(open);
    },
  };
}
