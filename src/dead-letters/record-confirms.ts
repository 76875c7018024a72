/**
 * Confirms go into the ledger with the turn of the event loop in which they come, not with their batch: what is not on
 * record when the process dies is sent twice.
 */
export function recordConfirms(record: (indices: readonly number[]) => void): {
  add(index: number): void;
  /** Those that are not on record yet. */
  flush(): void;
} {
  let pending: number[] = [];
  const flush = () => {
    const some = pending;
    pending = [];
    if (some.length > 0) record(some);
  };
  return {
    flush,
    add(index) {
      if (pending.length === 0) setImmediate(flush);
      pending.push(index);
    },
  };
}
