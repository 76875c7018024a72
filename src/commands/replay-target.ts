import type { ReplayTarget } from '../dead-letters/replay-types.js';

/** What `--to` says; `queue` when it is not given. */
export function targetOf(text: string | undefined): ReplayTarget {
  if (text === undefined || text === 'queue') return { kind: 'queue' };
  return text === 'exchange' ? { kind: 'exchange' } : { kind: 'name', queue: text };
}
