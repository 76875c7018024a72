/** How callbacks in dry run are sent: as those that count, with more time. Nobody waits for them, and many may. */
import type { CallbackClientOptions, CallbackSettings } from '../legacy/callback-client-options.js';

/**
 * Milliseconds for a send at least, waiting for its turn included. 5,000 facts over 50 connections, each with the 10 s that an
 * answer may take, are 1,000 s; and shadow mode still knows a leg that closed an hour ago.
 */
export const DRY_RUN_TOTAL_MS = 1_800_000;

/** The same settings with a `totalMs` that a full backlog can do with; a longer one stays. */
export function dryRunOptions(options: CallbackClientOptions): CallbackClientOptions {
  const services = Object.entries(options.services).map(([name, service]) => {
    // Timeouts of a service's own replace the common ones, whole.
    const isPlace = typeof service === 'string' || service instanceof URL || service.timeouts === undefined;
    return [name, isPlace ? service : withTime(service)] as const;
  });
  return { ...withTime(options), services: Object.fromEntries(services) };
}

function withTime<S extends CallbackSettings>(settings: S): S {
  const { timeouts } = settings;
  return {
    ...settings,
    timeouts: { ...timeouts, totalMs: Math.max(timeouts?.totalMs ?? 0, DRY_RUN_TOTAL_MS) },
  };
}
