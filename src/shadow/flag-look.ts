/**
 * Looks at the flag file while a run records, so that its verdict can say about which state of the migration it was
 * reached. Never in the way of callbacks: a disk that hangs holds up nothing but the next look.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

export interface FlagLook {
  /** Begins a look where none goes on. */
  look(): void;
  /** Resolves when the look that goes on has ended; at once where none does. */
  looked(): Promise<void>;
}

/**
 * `onSeen` gets SHA-256 of the file in hex, or null where there is no file. It is not called for a file that cannot be
 * read: no two states of the flag have the same bytes (each has its epoch), so the next look that succeeds tells
 * whether it was moved meanwhile. Without a path nothing is looked at.
 */
export function createFlagLook(path: string | undefined, onSeen: (hash: string | null) => void): FlagLook {
  let looking: Promise<void> | undefined;
  const lookAt = async (file: string) => {
    const hash = await hashOfFile(file);
    if (hash !== undefined) onSeen(hash);
    looking = undefined;
  };
  return {
    look() {
      if (path !== undefined) looking ??= lookAt(path);
    },
    looked: () => looking ?? Promise.resolve(),
  };
}

/** Undefined: nobody can say. Never rejects. */
async function hashOfFile(path: string): Promise<string | null | undefined> {
  try {
    const bytes = await readFile(path);
    return createHash('sha256').update(bytes).digest('hex');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    return code === 'ENOENT' || code === 'ENOTDIR' ? null : undefined;
  }
}
