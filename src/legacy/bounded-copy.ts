/** The start of a body, kept while the body itself goes by. */

/** Memory for all copies of a proxy together. */
export interface CopyBudget {
  /** Bytes granted of those asked for: fewer, or none, when there is no more. */
  take(bytes: number): number;
  give(bytes: number): void;
}

export function createCopyBudget(limit: number): CopyBudget {
  let taken = 0;
  return {
    take(bytes) {
      const granted = Math.max(0, Math.min(bytes, limit - taken));
      taken += granted;
      return granted;
    },
    give(bytes) {
      taken -= bytes;
    },
  };
}

export interface BoundedCopy {
  add(chunk: Buffer): void;
  /** Bytes that went by. */
  readonly total: number;
  /** Not everything that went by is in the copy. */
  readonly truncated: boolean;
  bytes(): Buffer;
  /** Gives its memory back. */
  release(): void;
}

/** Keeps at most `limit` bytes, and no more than the budget has left. */
export function createBoundedCopy(limit: number, budget: CopyBudget): BoundedCopy {
  let chunks: Buffer[] = [];
  let kept = 0;
  let total = 0;
  return {
    add(chunk) {
      total += chunk.length;
      // Once a piece is missing, what follows it is of no use.
      if (kept < total - chunk.length) return;
      const granted = budget.take(Math.min(chunk.length, limit - kept));
      if (granted === 0) return;
      kept += granted;
      // Copied: a piece may be a small view of a large buffer, and would hold all of it.
      chunks.push(Buffer.from(chunk.subarray(0, granted)));
    },
    get total() {
      return total;
    },
    get truncated() {
      return kept < total;
    },
    bytes: () => Buffer.concat(chunks),
    release() {
      chunks = [];
      budget.give(kept);
      kept = 0;
    },
  };
}
