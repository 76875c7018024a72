/** Waiting for conditions in tests. Nothing here waits a fixed time: a condition ends the wait, or its deadline fails. */
import { setTimeout as pause } from 'node:timers/promises';

export interface WaitOptions {
  /** Milliseconds until the wait fails. Default 10,000: generous, for a machine busy with other suites. */
  readonly withinMs?: number;
  /** Milliseconds between two looks. Default 5. */
  readonly everyMs?: number;
}

/** Looks until `condition` gives something truthy, and returns that. What it threw last is told on failure. */
export async function eventually<T>(
  what: string,
  condition: () => T | Promise<T>,
  { withinMs = 10_000, everyMs = 5 }: WaitOptions = {},
): Promise<Exclude<T, false | null | undefined | 0 | ''>> {
  const deadline = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as Exclude<T, false | null | undefined | 0 | ''>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`not within ${withinMs} ms: ${what}; last seen: ${String(last)}`, { cause: last });
    }
    await pause(everyMs);
  }
}

/** Fails when `promise` is still pending after `withinMs`. */
export async function within<T>(what: string, promise: Promise<T>, withinMs = 10_000): Promise<T> {
  const timer = new AbortController();
  const late = pause(withinMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`not within ${withinMs} ms: ${what}`);
  });
  late.catch(() => {}); // aborted below, once the race is over
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

/** A promise and the function that resolves it. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
