/**
 * Claims: who holds which entry. A first hand-out moves the lane's head over a range and notes the range;
 * an entry that was handed back has a row of its own for the rest of its life, in `returned` while ready and
 * in `reheld` while held. So a range stands for its entries that are left and have no row of their own.
 */
import type { ReceivedMessage } from '../../core/message.js';
import { asBuffer } from '../../storage/sqlite.js';
import type { QueueRecord } from './catalog.js';
import { deadLetter } from './dead-letter.js';
import {
  type EntryRow,
  entryFrom,
  FRESH_ENTRIES,
  forgetEntries,
  forgetEntry,
  RETURNED_ENTRIES,
} from './entries.js';
import { type Lane, laneEnd, laneOf } from './lane.js';
import { decodeProperties } from './properties.js';
import type { Turn } from './turn.js';

/** A noted range, shared by the deliveries out of it. */
export interface RangeClaim {
  readonly lo: number;
  /** Deliveries not settled yet: the note goes with the last. */
  left: number;
}

export interface Claimed {
  readonly entry: number;
  readonly message: number;
  readonly bytes: number;
  /** No other queue had the message when it was claimed, so none will. */
  readonly sole: boolean;
  /** Undefined when the entry has its own row in `reheld`. */
  readonly range: RangeClaim | undefined;
  readonly received: ReceivedMessage;
}

/** At most this many body bytes are read in one claim: enough to be fast, little enough to hold twice. */
const CLAIM_BYTES = 16 * 1024 * 1024;

/** Claims look this often past expired messages before others get their turn. */
const PASSES = 5;

/**
 * Hands out up to `limit` ready messages of a queue in order, to `consumer`; or for good, when undefined.
 * Expired ones on the way are dead-lettered. It may hand out less than there is (large bodies, many expired).
 */
export function claim(
  turn: Turn,
  queue: QueueRecord,
  consumer: number | undefined,
  limit: number,
): Claimed[] {
  const claimed: Claimed[] = [];
  let passes = 0;
  // A copy: dead-lettering back into this very queue may add a lane meanwhile.
  for (const lane of [...turn.lanes(queue.id)]) {
    while (lane.ready > 0 && claimed.length < limit && !heavy(claimed) && passes++ < PASSES) {
      const before = lane.ready;
      claimReturned(turn, queue, lane, consumer, limit - claimed.length, claimed);
      // Those handed back come first: as long as some are left, nothing fresh may overtake them.
      const onlyFresh = lane.ready === lane.next - lane.head;
      if (onlyFresh) claimFresh(turn, queue, lane, consumer, limit - claimed.length, claimed);
      if (lane.ready === before) break;
    }
    if (lane.ready > 0) break;
  }
  return claimed;
}

function heavy(claimed: readonly Claimed[]): boolean {
  return claimed.reduce((sum, { bytes }) => sum + bytes, 0) >= CLAIM_BYTES;
}

function claimReturned(
  turn: Turn,
  queue: QueueRecord,
  lane: Lane,
  consumer: number | undefined,
  limit: number,
  claimed: Claimed[],
): void {
  if (lane.ready === lane.next - lane.head) return;
  const rows = turn.prepare(RETURNED_ENTRIES).all(lane.base, laneEnd(lane), affordable(turn, lane, 0, limit));
  for (const row of rows.map(entryFrom)) {
    turn.prepare('DELETE FROM returned WHERE id = ?').run(row.entry);
    lane.ready--;
    lane.bytes -= row.body.length;
    lane.changed = true;
    if (expired(turn, queue, row)) continue;
    if (consumer === undefined) forgetEntry(turn, row.entry, row.message);
    else turn.prepare('INSERT INTO reheld VALUES (?, ?)').run(row.entry, consumer);
    claimed.push(claimedFrom(row, undefined, true));
  }
}

function claimFresh(
  turn: Turn,
  queue: QueueRecord,
  lane: Lane,
  consumer: number | undefined,
  limit: number,
  claimed: Claimed[],
): void {
  const lo = lane.base + lane.head;
  if (limit === 0 || lane.ready === 0) return;
  const rows = turn.prepare(FRESH_ENTRIES).all(lo, lane.base + lane.next, affordable(turn, lane, lo, limit));
  if (rows.length === 0) return;
  const range: RangeClaim = { lo, left: 0 };
  let bytes = 0;
  for (const sqlRow of rows) {
    const row = entryFrom(sqlRow);
    bytes += row.body.length;
    if (row.expires !== undefined && expired(turn, queue, row)) continue;
    range.left++;
    claimed.push(claimedFrom(row, range, false));
  }
  lane.head += rows.length;
  lane.ready -= rows.length;
  lane.bytes -= bytes;
  lane.changed = true;
  const hi = lo + rows.length - 1;
  if (consumer === undefined) forgetEntries(turn, lo, hi);
  else if (range.left > 0) turn.prepare('INSERT INTO claim VALUES (?, ?, ?)').run(lo, hi, consumer);
}

/** How many of the next entries fit into one claim; one at least. `from` 0 means the returned ones. */
function affordable(turn: Turn, lane: Lane, from: number, limit: number): number {
  if (lane.bytes <= CLAIM_BYTES) return limit;
  const source = from === 0 ? 'returned r CROSS JOIN entry e ON e.id = r.id' : 'entry e';
  const sizes = turn
    .prepare(
      `SELECT length(m.body) FROM ${source} CROSS JOIN message m ON m.id = e.message
       WHERE e.id >= ? AND e.id < ? ORDER BY e.id LIMIT ?`,
    )
    .all(Math.max(from, lane.base), laneEnd(lane), limit);
  let bytes = 0;
  const over = sizes.findIndex(([size]) => {
    bytes += Number(size);
    return bytes > CLAIM_BYTES;
  });
  return over < 0 ? limit : Math.max(over, 1);
}

function expired(turn: Turn, queue: QueueRecord, row: EntryRow): boolean {
  if (row.expires === undefined || row.expires > turn.now) return false;
  deadLetter(turn, queue, row, 'expired');
  forgetEntry(turn, row.entry, row.message);
  return true;
}

function claimedFrom(row: EntryRow, range: RangeClaim | undefined, redelivered: boolean): Claimed {
  return {
    entry: row.entry,
    message: row.message,
    bytes: row.body.length,
    sole: row.refs === 1,
    range,
    received: receivedFrom(row, redelivered),
  };
}

export function receivedFrom(row: EntryRow, redelivered: boolean): ReceivedMessage {
  return {
    exchange: row.exchange,
    routingKey: row.key,
    body: asBuffer(row.body),
    properties: decodeProperties(row.properties),
    redelivered,
  };
}

/** Gives back everything that a consumer holds, flagged redelivered, each in its place. */
export function releaseClaims(turn: Turn, queue: QueueRecord, consumer: number): void {
  const before = returnedSizes(turn, queue);
  turn
    .prepare(
      `INSERT OR IGNORE INTO returned SELECT e.id FROM claim c CROSS JOIN entry e
       WHERE c.consumer = ? AND e.id BETWEEN c.lo AND c.hi AND e.id NOT IN (SELECT id FROM reheld)`,
    )
    .run(consumer);
  turn.prepare('INSERT INTO returned SELECT id FROM reheld WHERE consumer = ?').run(consumer);
  turn.prepare('DELETE FROM reheld WHERE consumer = ?').run(consumer);
  turn.prepare('DELETE FROM claim WHERE consumer = ?').run(consumer);
  const lanes = turn.lanes(queue.id);
  for (const [lane, count, bytes] of returnedSizes(turn, queue)) {
    const [, oldCount = 0, oldBytes = 0] = before.find(([known]) => known === lane) ?? [];
    if (count === oldCount) continue;
    lane.ready += count - oldCount;
    lane.bytes += bytes - oldBytes;
    lane.expiring = true;
    lane.changed = true;
    if (lanes.includes(lane)) turn.grew(queue);
  }
}

function returnedSizes(turn: Turn, queue: QueueRecord): [Lane, number, number][] {
  return turn.lanes(queue.id).map((lane) => {
    const [count, bytes] = turn
      .prepare(
        `SELECT count(*), total(length(m.body)) FROM returned r CROSS JOIN entry e ON e.id = r.id
         CROSS JOIN message m ON m.id = e.message WHERE r.id >= ? AND r.id < ?`,
      )
      .get(lane.base, laneEnd(lane)) ?? [0, 0];
    return [lane, Number(count), Number(bytes)];
  });
}

/** One entry back to its place. The caller has checked the lease. */
export function returnEntry(turn: Turn, queue: QueueRecord, claimed: Claimed): void {
  if (claimed.range === undefined) turn.prepare('DELETE FROM reheld WHERE id = ?').run(claimed.entry);
  turn.prepare('INSERT INTO returned VALUES (?)').run(claimed.entry);
  const lane = laneOf(turn.lanes(queue.id), claimed.entry);
  if (lane === undefined) return;
  lane.ready++;
  lane.bytes += claimed.bytes;
  lane.expiring = true;
  lane.changed = true;
  turn.grew(queue);
}
