/**
 * Hands records to whoever keeps them, off the path of the callbacks: whatever the keeper does, nobody waits for it
 * but this queue. What could not be kept is told as a gap; a gap that could not be told is told later.
 */
import { messageOf } from '../core/errors.js';
import { within } from '../core/within.js';
import type { CallbackRecord } from './callback-record.js';

/** A stretch in which callbacks went by and were not kept. */
export interface CallbackGap {
  /** Start of the first and of the last callback lost, ISO 8601. */
  readonly from: string;
  readonly to: string;
  readonly lost: number;
  /** Why the first was lost: the keeper refused it, was too slow, or had not taken it when the queue was closed. */
  readonly reason: 'refused' | 'too-slow' | 'not-taken';
  /** The keeper's own words, with `refused`. */
  readonly cause?: string;
}

export interface RecordKeeper<R = CallbackRecord> {
  /** Called one at a time; a returned promise holds the next one back. A rejection loses this record, and is a gap. */
  onRecord(record: R): void | Promise<void>;
  /** Called one at a time. What it rejects, or what is lost meanwhile, is told again as part of one gap. */
  onGap(gap: CallbackGap): void | Promise<void>;
}

/** A record that is made when its turn comes, so that making it delays nobody's callback. */
export interface PendingRecord<R = CallbackRecord> {
  readonly at: string;
  readonly make: () => R;
  /** Called when the record is kept or lost. */
  readonly release: () => void;
}

export interface RecordQueue<R = CallbackRecord> {
  push(record: PendingRecord<R>): void;
  /** Start of the oldest callback not yet kept or lost. */
  oldest(): string | undefined;
  readonly waiting: number;
  readonly lost: number;
  /** Waits for the keeper, at most so long. What is left then is lost. Resolves with a gap that nobody was told of. */
  close(withinMs: number): Promise<CallbackGap | undefined>;
}

/** How long the queue works on end before it lets callbacks through: far below the latency that they may gain. */
const SLICE_MS = 1;

export function createRecordQueue<R = CallbackRecord>(
  keeper: RecordKeeper<R>,
  limit: number,
): RecordQueue<R> {
  const waiting: PendingRecord<R>[] = [];
  let taken = 0; // of `waiting`, from its start: shifting a long array for each would cost more than the records
  let inHand: PendingRecord<R> | undefined;
  let running = false;
  let closed = false;
  let lost = 0;
  let gap: CallbackGap | undefined;
  let beingTold: CallbackGap | undefined;
  let telling: Promise<void> | undefined;
  let becameIdle = () => {};

  const lose = ({ at, release }: PendingRecord<R>, reason: CallbackGap['reason'], error?: unknown) => {
    release();
    lost++;
    const cause = error === undefined ? {} : { cause: messageOf(error) };
    gap = merge(gap, { from: at, to: at, lost: 1, reason, ...cause });
  };

  const tell = (): Promise<void> => {
    telling ??= tellAll().finally(() => {
      telling = undefined;
    });
    return telling;
  };
  const tellAll = async () => {
    while (gap !== undefined) {
      beingTold = gap;
      gap = undefined;
      try {
        await keeper.onGap(beingTold);
        beingTold = undefined;
      } catch {
        // Not told: told with the next record that is kept or lost, or given back by `close`.
        gap = merge(beingTold, gap);
        beingTold = undefined;
        return;
      }
    }
  };

  const keep = async (record: PendingRecord<R>) => {
    inHand = record;
    try {
      const kept = keeper.onRecord(record.make());
      if (kept instanceof Promise) await kept;
      if (!closed) record.release();
    } catch (error) {
      if (!closed) lose(record, 'refused', error);
    }
    inHand = undefined;
    if (gap !== undefined) void tell();
  };

  const run = async () => {
    let sliceEnd = performance.now() + SLICE_MS;
    while (taken < waiting.length && !closed) {
      const record = waiting[taken++];
      if (record !== undefined) await keep(record);
      if (performance.now() > sliceEnd) {
        waiting.splice(0, taken);
        taken = 0;
        await new Promise((resolve) => setImmediate(resolve));
        sliceEnd = performance.now() + SLICE_MS;
      }
    }
    waiting.splice(0, taken);
    taken = 0;
    running = false;
    becameIdle();
  };

  return {
    push(record) {
      if (closed || waiting.length - taken >= limit) {
        lose(record, closed ? 'not-taken' : 'too-slow');
        void tell();
        return;
      }
      waiting.push(record);
      if (running) return;
      running = true;
      setImmediate(run);
    },
    oldest() {
      // In the order in which they ended, not in which they began.
      let oldest = inHand?.at;
      for (let at = taken; at < waiting.length; at++) {
        const next = waiting[at]?.at;
        if (oldest === undefined || (next !== undefined && next < oldest)) oldest = next;
      }
      return oldest;
    },
    get waiting() {
      return waiting.length - taken + (inHand === undefined ? 0 : 1);
    },
    get lost() {
      return lost;
    },
    async close(withinMs) {
      const idle = new Promise<void>((resolve) => {
        becameIdle = resolve;
        if (!running) resolve();
      });
      await within(withinMs, idle);
      closed = true;
      const left = [...(inHand === undefined ? [] : [inHand]), ...waiting.slice(taken)];
      for (const record of left) lose(record, 'not-taken');
      await within(withinMs, tell());
      return merge(beingTold, gap);
    },
  };
}

function merge(earlier: CallbackGap | undefined, later: CallbackGap | undefined): CallbackGap | undefined {
  if (earlier === undefined || later === undefined) return earlier ?? later;
  const times = [earlier.from, earlier.to, later.from, later.to].toSorted();
  return {
    ...earlier,
    from: times[0] ?? earlier.from,
    to: times.at(-1) ?? earlier.to,
    lost: earlier.lost + later.lost,
  };
}
