/** Entries of a queue with their messages: reading them from the head, and forgetting them. */
import type { SqlRow } from '../../storage/sqlite.js';
import { type Lane, laneEnd } from './lane.js';
import type { Turn } from './turn.js';

/** One row of `ENTRY_COLUMNS`. */
export interface EntryRow {
  readonly entry: number;
  readonly message: number;
  readonly expires: number | undefined;
  readonly refs: number;
  readonly exchange: string;
  readonly key: string;
  readonly properties: SqlRow[number];
  readonly body: Uint8Array;
}

const ENTRY_COLUMNS = 'e.id, e.message, e.expires, m.refs, m.exchange, m.key, m.properties, m.body';

/** Entries that were handed back, oldest first: they come before `head`. Parameters: base, end, limit. */
export const RETURNED_ENTRIES = `SELECT ${ENTRY_COLUMNS}
  FROM returned r CROSS JOIN entry e ON e.id = r.id CROSS JOIN message m ON m.id = e.message
  WHERE r.id >= ? AND r.id < ? ORDER BY r.id LIMIT ?`;

/** Entries in order. Parameters: first id, end, limit. */
export const FRESH_ENTRIES = `SELECT ${ENTRY_COLUMNS}
  FROM entry e CROSS JOIN message m ON m.id = e.message
  WHERE e.id >= ? AND e.id < ? ORDER BY e.id LIMIT ?`;

const ONE_ENTRY = `SELECT ${ENTRY_COLUMNS} FROM entry e CROSS JOIN message m ON m.id = e.message WHERE e.id = ?`;

export function entryFrom([
  entry,
  message,
  expires,
  refs,
  exchange,
  key,
  properties,
  body,
]: SqlRow): EntryRow {
  return {
    entry: entry as number,
    message: message as number,
    expires: expires === null ? undefined : (expires as number),
    refs: refs as number,
    exchange: exchange as string,
    key: key as string,
    properties: properties ?? null,
    body: body as Uint8Array,
  };
}

export function readEntry(turn: Turn, entry: number): EntryRow | undefined {
  const row = turn.prepare(ONE_ENTRY).get(entry);
  return row === undefined ? undefined : entryFrom(row);
}

/** The first ready entry of a lane, and whether it had been handed out before. */
export function headOf(turn: Turn, lane: Lane): { row: EntryRow; returned: boolean } | undefined {
  if (lane.ready === 0) return undefined;
  const back = turn.prepare(RETURNED_ENTRIES).get(lane.base, laneEnd(lane), 1);
  if (back !== undefined) return { row: entryFrom(back), returned: true };
  const fresh = turn.prepare(FRESH_ENTRIES).get(lane.base + lane.head, lane.base + lane.next, 1);
  return fresh === undefined ? undefined : { row: entryFrom(fresh), returned: false };
}

/** Takes the head off the ready ones. What becomes of it is the caller's. */
export function takeHead(turn: Turn, lane: Lane, head: { row: EntryRow; returned: boolean }): void {
  if (head.returned) turn.prepare('DELETE FROM returned WHERE id = ?').run(head.row.entry);
  else lane.head = head.row.entry - lane.base + 1;
  lane.ready--;
  lane.bytes -= head.row.body.length;
  lane.changed = true;
}

/** The queue is done with an entry; the message goes when no other queue has it. */
export function forgetEntry(turn: Turn, entry: number, message: number): void {
  turn.prepare('DELETE FROM entry WHERE id = ?').run(entry);
  turn.prepare('UPDATE message SET refs = refs - 1 WHERE id = ?').run(message);
  turn.prepare('DELETE FROM message WHERE id = ? AND refs <= 0').run(message);
}

/** The same for all entries from id `lo` to `hi`. */
export function forgetEntries(turn: Turn, lo: number, hi: number): void {
  const those = 'id IN (SELECT message FROM entry WHERE id BETWEEN ? AND ?)';
  turn.prepare(`UPDATE message SET refs = refs - 1 WHERE ${those}`).run(lo, hi);
  turn.prepare(`DELETE FROM message WHERE ${those} AND refs <= 0`).run(lo, hi);
  turn.prepare('DELETE FROM entry WHERE id BETWEEN ? AND ?').run(lo, hi);
}
