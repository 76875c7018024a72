/** The course of one run: what it takes from the queue, whether it goes on, and what it tells in the end. */
import { isEventsError } from '../core/errors.js';
import { Canary } from './canary.js';
import type { Course } from './course.js';
import { readDeath } from './death.js';
import { watchDelays } from './delay-watch.js';
import { drain } from './drain.js';
import type { DrainBatch, DrainResult } from './drain-types.js';
import { Pacer } from './pacer.js';
import { bringToEnd, drainBounds } from './replay-ending.js';
import type { Sending } from './replay-plan.js';
import { ReplayRun, stopFor } from './replay-run.js';
import type { ReplayReport } from './replay-types.js';
import { watchUptake } from './uptake.js';
import { watchDeaths } from './watch.js';

const BATCH = 800;
/** A paced batch is a quarter of a second, so that Ctrl-C is not kept waiting. */
const BATCHES_PER_SECOND = 4;

export async function replayLocked(course: Course): Promise<ReplayReport> {
  const { transport, record, rows, options, deps } = course;
  const { id, queue, target } = record;
  const { signal, rate } = options;
  const deaths = watchDeaths(transport, id);
  const delays = watchDelays(transport);
  const uptake = watchUptake(transport);
  const exists = new Map<string, Promise<boolean>>();
  let grown: () => Promise<number> = async () => 0;
  let waiting = 0;
  let untaken = 0;

  const diedAgain = async () =>
    Math.max(run.boomerangs, deaths.deaths(), deaths.mode === 'depth' ? await grown() : 0);
  const canary =
    options.canary &&
    new Canary(options.canary, {
      pause: deps.pause,
      signal,
      deaths: diedAgain,
      waiting: () => delays.grown(),
      untaken: () => uptake.waiting(),
    });

  const run = new ReplayRun({
    ...{ transport, rows, id, queue, target, signal, edit: options.edit },
    pacer: new Pacer(rate, { now: deps.now, pause: deps.pause, signal }),
    now: deps.now,
    onStep: deps.onStep,
    queueExists(name) {
      const known = exists.get(name) ?? transport.counts(name).then((counts) => counts !== undefined);
      exists.set(name, known);
      return known;
    },
    async prepare(sending) {
      await deaths.cover(sending.map(({ taken }) => taken.delivery.message));
      if (canary === undefined) return;
      for (const name of failedQueues(sending, queue)) {
        await delays.cover(name);
        uptake.cover(name);
      }
    },
  });
  const open = rows.open();
  run.expect(open);

  async function handle(batch: DrainBatch): Promise<'go-on' | 'stop'> {
    grown = () => batch.grown();
    const before = run.confirmed;
    const next = await run.handle(batch);
    canary?.sent(run.confirmed - before);
    if (canary?.left === 0) await judge();
    return run.stop === undefined ? next : 'stop';
  }

  async function judge(): Promise<void> {
    const verdict = await canary?.watch();
    waiting = verdict?.waiting ?? 0;
    untaken = verdict?.untaken ?? 0;
    if (verdict?.goOn === false) run.end('canary');
  }

  let drained: DrainResult | undefined;
  try {
    const paced = rate === undefined ? BATCH : Math.max(1, Math.floor(rate / BATCHES_PER_SECOND));
    drained = await drain(
      transport,
      {
        ...drainBounds(course, run, open),
        batchSize: () => Math.min(BATCH, paced, canary?.left ?? BATCH),
        ...(canary !== undefined && { inWork: 1 }),
        ...(rate !== undefined && { window: paced * 4 }),
        ...(signal !== undefined && { signal }),
        cameBack: (_, hash) => rows.isSettled(hash),
        afterLoss: () => course.lock.renew(),
        onSeen: (seen, total) =>
          options.onProgress?.({
            total,
            seen,
            replayed: record.settled + run.settled,
            boomeranged: record.boomeranged + Math.max(run.boomerangs, deaths.deaths()),
          }),
      },
      handle,
    );
    if (drained.ended === 'aborted') run.end('interrupted');
    if (canary?.isUnwatched && run.stop === undefined) await judge();
  } catch (error) {
    if (!isEventsError(error)) throw error;
    run.end(stopFor(error), error);
  }
  // With the broker away they vanish with their connection.
  await deaths.close().catch(() => {});
  const left = await bringToEnd(course, run, drained);
  const arrived = course.isNew && drained !== undefined ? left - (drained.total - drained.gone) : 0;
  const boomeranged = Math.max(run.boomerangs, deaths.deaths(), deaths.mode === 'depth' ? arrived : 0);
  endIn(course, run, boomeranged);
  return {
    id,
    queue,
    replayed: record.settled + run.settled,
    skipped: run.skipped,
    boomeranged: record.boomeranged + boomeranged,
    possibleDuplicates: course.ledger.find(id)?.possibleDuplicates ?? 0,
    left,
    watched: deaths.mode,
    ...(waiting > 0 && { waiting }),
    ...(untaken > 0 && { untaken }),
    ...(run.stop !== undefined && { stopped: run.stop.why }),
    ...(run.stop?.error !== undefined && { error: run.stop.error }),
  };
}

/** With something open, only this replay can tell what was sent: it stays `running` and keeps others from beginning. */
function endIn({ ledger, record, rows }: Course, run: ReplayRun, boomeranged: number): void {
  try {
    const isOpen = rows.open().length > 0;
    ledger.end(record.id, isOpen ? 'running' : run.stop === undefined ? 'finished' : 'stopped', boomeranged);
  } catch (error) {
    if (!isEventsError(error)) throw error;
    run.end('errors', error);
  }
}

/** Whose delay queues tell of failures. */
function failedQueues(sending: readonly Sending[], queue: string): Set<string> {
  const names = sending.map(({ taken, message }) =>
    message.exchange === '' ? message.routingKey : readDeath(taken.delivery.message, queue).failedQueue,
  );
  return new Set(names.filter((name) => name !== undefined));
}
