/** Where a run begins and ends in the queue and in the ledger. */
import { isEventsError } from '../core/errors.js';
import type { Course } from './course.js';
import { drain } from './drain.js';
import type { DrainOptions, DrainResult } from './drain-types.js';
import type { OpenRow } from './ledger-rows.js';
import { messageHash } from './message-hash.js';
import type { ReplayRun } from './replay-run.js';

/** What was handed back is counted only some time after the broker has taken it. */
const LEFT_WITHIN_MS = 2_000;
const LEFT_LOOK_MS = 50;

/**
 * A new replay takes what is there now. A resumed one takes what is left of that, and what it left open counts as taken
 * until it comes again.
 */
export function drainBounds(
  { record, options, isNew }: Course,
  run: ReplayRun,
  open: readonly OpenRow[],
): DrainOptions {
  const { queue, total, limit, settled, missing } = record;
  const { select } = options;
  if (!isNew) {
    return {
      queue,
      total: Math.max(0, total - settled - missing),
      before: open.map(({ hash }) => hash),
      ...(select !== undefined && { select }),
      ...(limit !== undefined && { limit: Math.max(0, limit - settled) }),
    };
  }
  const selected = (message: Parameters<NonNullable<typeof select>>[0]) =>
    select?.(message) === true || run.isExpected(messageHash(message));
  return {
    queue,
    total,
    ...(select !== undefined && { select: open.length === 0 ? select : selected }),
    ...(limit !== undefined && { limit }),
  };
}

/** Accounts for what is open, as far as that can be found out. Returns what is left in the queue. */
export async function bringToEnd(
  course: Course,
  run: ReplayRun,
  drained: DrainResult | undefined,
): Promise<number> {
  const { record, rows } = course;
  const cutShort = run.stop?.why === 'broker' || run.stop?.why === 'interrupted';
  try {
    const open = rows.open();
    if (open.length > 0 && drained !== undefined && !cutShort) {
      if (drained.ended !== 'all') await ackWhatComesAgain(course, run, open);
      // All that could come again has come: what is open is not there any more.
      if (!run.unresolved) run.settled += rows.closeOpen().settled;
    }
    if (run.stop?.why !== 'broker') return await readyAtLast(course, drained);
  } catch (error) {
    if (!isEventsError(error)) throw error;
    run.end('broker', error);
  }
  return Math.max(0, record.total - record.settled - run.settled);
}

/** Takes nothing new: looks at the head of the queue, where what was in hand goes back to. */
async function ackWhatComesAgain(
  { transport, record, rows }: Course,
  run: ReplayRun,
  open: readonly OpenRow[],
): Promise<void> {
  run.onlyAcks = true;
  const before = open.map(({ hash }) => hash);
  const cameBack: DrainOptions['cameBack'] = (_, hash) => rows.isSettled(hash);
  await drain(transport, { queue: record.queue, limit: 0, before, cameBack }, async (batch) => {
    await run.handle(batch);
    return 'go-on';
  });
}

async function readyAtLast(
  { transport, record, deps }: Course,
  drained: DrainResult | undefined,
): Promise<number> {
  const least = drained === undefined ? 0 : drained.total - drained.gone;
  for (let waited = 0; ; waited += LEFT_LOOK_MS) {
    const ready = (await transport.counts(record.queue))?.ready ?? 0;
    if (ready >= least || waited >= LEFT_WITHIN_MS) return ready;
    await deps.pause(LEFT_LOOK_MS);
  }
}
