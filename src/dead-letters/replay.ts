/** Brings dead letters back: docs/dead-letters.md has the states, and what a crash in each leaves behind. */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { EventsError, queueMissing } from '../core/errors.js';
import type { Transport } from '../core/transport.js';
import type { Ledger, ReplayRecord } from './ledger.js';
import type { LedgerRows } from './ledger-rows.js';
import { lockQueue } from './lock.js';
import { replayLocked } from './replay-course.js';
import { newReplayId } from './replay-id.js';
import type { ReplayDeps } from './replay-steps.js';
import type { ReplayOptions, ReplayReport, ResumeOptions } from './replay-types.js';

/**
 * Replays. Resolves with the report also when it stopped early (`stopped`, `error`). Rejects before anything was
 * touched: `queue-missing` (the dead-letter queue, or a named target), `queue-locked` (another replay of the queue runs,
 * or the ledger has one that did not come to its end), `usage` (the target is the dead-letter queue itself, numbers that
 * make no sense), `unreachable`, `access-refused`, `storage`.
 */
export async function startReplay(
  transport: Transport,
  ledger: Ledger,
  options: ReplayOptions,
  deps: ReplayDeps = {},
): Promise<ReplayReport> {
  checkNumbers(options);
  const { queue, target, criteria, limit } = options;
  if (target.kind === 'name') await checkTarget(transport, queue, target.queue);
  await readyIn(transport, queue);
  const full = withDefaults(deps);
  return locked(transport, queue, full, async (lock) => {
    const id = newReplayId(full.randomBytes);
    const total = await readyIn(transport, queue);
    const startedAt = full.now();
    const broker = await transport.identity();
    const rows = ledger.begin({ id, broker, queue, target, criteria, limit, total, startedAt });
    const record = find(ledger, id);
    return replayLocked({ transport, ledger, lock, record, rows, options, deps: full, isNew: true });
  });
}

/**
 * Brings a `running` or `stopped` replay to its end; the report counts what all its runs did. Rejects with `usage` when
 * there is no such replay, it is finished or abandoned, or of another broker, and as `startReplay`.
 */
export async function resumeReplay(
  transport: Transport,
  ledger: Ledger,
  id: string,
  options: ResumeOptions = {},
  deps: ReplayDeps = {},
): Promise<ReplayReport> {
  checkNumbers(options);
  const known = ledger.find(id);
  if (known === undefined) throw new EventsError('usage', `There is no replay "${id}" in ${ledger.path}`);
  if (known.state === 'finished' || known.state === 'abandoned') {
    throw new EventsError('usage', `Replay ${known.id} is ${known.state} and cannot be resumed`, {
      hint: `Begin a new one of "${known.queue}".`,
    });
  }
  const { broker, queue, target } = known;
  if (broker !== (await transport.identity())) {
    throw new EventsError('usage', `Replay ${known.id} belongs to another broker (${broker})`, {
      hint: `This one is ${transport.address}. Give the URL or profile that it was begun with.`,
    });
  }
  if (target.kind === 'name') await checkTarget(transport, queue, target.queue);
  await readyIn(transport, queue);
  const full = withDefaults(deps);
  return locked(transport, queue, full, async (lock) => {
    const rows: LedgerRows = ledger.reopen(known.id);
    const record = find(ledger, known.id);
    return replayLocked({ transport, ledger, lock, record, rows, options, deps: full, isNew: false });
  });
}

async function locked(
  transport: Transport,
  queue: string,
  deps: Required<ReplayDeps>,
  work: (lock: Awaited<ReturnType<typeof lockQueue>>) => Promise<ReplayReport>,
): Promise<ReplayReport> {
  const lock = await lockQueue(transport, queue, deps);
  let report: ReplayReport | undefined;
  try {
    report = await work(lock);
    return report;
  } finally {
    const released = lock.release().catch(() => {}); // it goes with the connection
    // With the broker away that would be waited for in vain.
    if (report?.stopped !== 'broker') await released;
  }
}

async function readyIn(transport: Transport, queue: string): Promise<number> {
  const counts = await transport.counts(queue);
  if (counts === undefined) throw queueMissing(queue);
  return counts.ready;
}

async function checkTarget(transport: Transport, queue: string, target: string): Promise<void> {
  if (target === queue) {
    throw new EventsError('usage', `"${queue}" cannot be replayed to itself`, {
      hint: 'Give another queue, or leave the target out: then each dead letter goes back to the queue that failed.',
    });
  }
  await readyIn(transport, target);
}

function find(ledger: Ledger, id: string): ReplayRecord {
  const record = ledger.find(id);
  if (record === undefined) throw new EventsError('storage', `Replay ${id} is not in the ledger any more`);
  return record;
}

function withDefaults(deps: ReplayDeps): Required<ReplayDeps> {
  return {
    now: deps.now ?? Date.now,
    pause: deps.pause ?? ((ms, signal) => pause(ms, undefined, { signal }).catch(() => {})),
    randomBytes: deps.randomBytes ?? randomBytes,
    onStep: deps.onStep ?? (() => {}),
  };
}

function checkNumbers({ limit, rate, canary }: Pick<ReplayOptions, 'limit' | 'rate' | 'canary'>): void {
  const whole = (name: string, value: number | undefined) => {
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
      throw new EventsError('usage', `${name} must be a whole number from 1, not ${value}`);
  };
  whole('limit', limit);
  whole('the first canary batch', canary?.first);
  if (rate !== undefined && !(rate > 0)) throw new EventsError('usage', `rate must be above 0, not ${rate}`);
  const most = canary?.maxDeathRate ?? 0;
  if (!(most >= 0 && most <= 1))
    throw new EventsError('usage', `the death rate must be from 0 to 1, not ${most}`);
}
