/** Settling deliveries in batches: acks of neighbours become range deletes. */
import type { Settlement } from '../../core/transport.js';
import { type Claimed, type RangeClaim, returnEntry } from './claims.js';
import { deadLetter } from './dead-letter.js';
import { forgetEntry, readEntry } from './entries.js';
import type { Turn } from './turn.js';

export type Verdict = 'ack' | 'requeue' | 'reject';

export interface Settling {
  readonly queue: number;
  readonly consumer: number;
  readonly claimed: Claimed;
  readonly verdict: Verdict;
}

/** Settles a batch; the answers are in its order. `lost`: the lease is gone, and nothing was done. */
export function settleAll(turn: Turn, batch: readonly Settling[]): Settlement[] {
  const leases = new Map<RangeClaim, boolean>();
  const acked: Claimed[] = [];
  const answers = batch.map((settling): Settlement => {
    if (!holds(turn, settling, leases)) return 'lost';
    if (settling.verdict === 'ack') acked.push(settling.claimed);
    else giveBack(turn, settling);
    return 'settled';
  });
  forgetAcked(turn, acked);
  dropSpentRanges(turn, batch, leases);
  return answers;
}

function holds(turn: Turn, { claimed, consumer }: Settling, leases: Map<RangeClaim, boolean>): boolean {
  const { range } = claimed;
  if (range === undefined) {
    const row = turn.prepare('SELECT consumer FROM reheld WHERE id = ?').get(claimed.entry);
    return row?.[0] === consumer;
  }
  let held = leases.get(range);
  if (held === undefined) {
    held = turn.prepare('SELECT consumer FROM claim WHERE lo = ?').get(range.lo)?.[0] === consumer;
    leases.set(range, held);
  }
  return held;
}

function giveBack(turn: Turn, { claimed, queue, verdict }: Settling): void {
  const record = turn.catalog.queuesById.get(queue);
  if (record === undefined) return;
  if (verdict === 'requeue') {
    returnEntry(turn, record, claimed);
    return;
  }
  const row = readEntry(turn, claimed.entry);
  if (row === undefined) return;
  deadLetter(turn, record, row, 'rejected');
  turn.prepare('DELETE FROM reheld WHERE id = ?').run(claimed.entry);
  forgetEntry(turn, claimed.entry, claimed.message);
}

function forgetAcked(turn: Turn, acked: readonly Claimed[]): void {
  const entries = turn.prepare('DELETE FROM entry WHERE id BETWEEN ? AND ?');
  forEachRun(
    acked.map(({ entry }) => entry),
    (lo, hi) => entries.run(lo, hi),
  );
  for (const { entry, range } of acked) {
    if (range === undefined) turn.prepare('DELETE FROM reheld WHERE id = ?').run(entry);
  }
  const messages = turn.prepare('DELETE FROM message WHERE id BETWEEN ? AND ?');
  const sole = acked.filter((claimed) => claimed.sole);
  forEachRun(
    sole.map(({ message }) => message),
    (lo, hi) => messages.run(lo, hi),
  );
  if (sole.length < acked.length) releaseShared(turn, acked);
}

/** Counts each shared message down by the queues that are done with it in this turn: it may be several. */
function releaseShared(turn: Turn, acked: readonly Claimed[]): void {
  const queues = new Map<number, number>();
  for (const { message, sole } of acked) if (!sole) queues.set(message, (queues.get(message) ?? 0) + 1);
  const fewer = turn.prepare('UPDATE message SET refs = refs - ? WHERE id BETWEEN ? AND ?');
  const gone = turn.prepare('DELETE FROM message WHERE id BETWEEN ? AND ? AND refs <= 0');
  for (const count of new Set(queues.values())) {
    const messages = [...queues].filter(([, times]) => times === count).map(([message]) => message);
    forEachRun(messages, (lo, hi) => {
      fewer.run(count, lo, hi);
      gone.run(lo, hi);
    });
  }
}

/** A range's note goes in the turn that settles its last delivery; `countSettled` keeps count. */
function dropSpentRanges(turn: Turn, batch: readonly Settling[], leases: Map<RangeClaim, boolean>): void {
  const settled = new Map<RangeClaim, number>();
  for (const { claimed } of batch) {
    if (claimed.range !== undefined) settled.set(claimed.range, (settled.get(claimed.range) ?? 0) + 1);
  }
  for (const [range, count] of settled) {
    if (count >= range.left && leases.get(range) === true) {
      turn.prepare('DELETE FROM claim WHERE lo = ?').run(range.lo);
    }
  }
}

/** After the commit: what is left in each range. */
export function countSettled(batch: readonly Settling[]): void {
  for (const { claimed } of batch) if (claimed.range !== undefined) claimed.range.left--;
}

/** Calls `visit` with the ends of each run of consecutive numbers. No id may be there twice. */
function forEachRun(ids: number[], visit: (lo: number, hi: number) => void): void {
  ids.sort((a, b) => a - b);
  let lo = ids[0];
  if (lo === undefined) return;
  let hi = lo;
  for (const id of ids) {
    if (id <= hi + 1) {
      hi = id;
    } else {
      visit(lo, hi);
      lo = id;
      hi = id;
    }
  }
  visit(lo, hi);
}
