/**
 * A lane is the order of one queue at one priority; a queue without `x-max-priority` has one. Its entries
 * have ids `base + position`, so that one range of the entry table is one lane in order. Positions below
 * `head` have been handed out (or dropped); those from `head` to `next` are ready.
 */
import { EventsError } from '../../core/errors.js';
import type { Prepare, QueueRecord } from './catalog.js';

/** Positions per lane: at 100,000 messages/s they last 8 days without a pause. */
const POSITIONS = 2 ** 36;
/** With these, entry ids stay below 2^53 and so are exact as JavaScript numbers. */
const MAX_LANES = 2 ** 17;

export interface Lane {
  readonly id: number;
  readonly priority: number;
  readonly base: number;
  head: number;
  next: number;
  /** Ready messages: those from `head` on, and those handed back. */
  ready: number;
  /** Body bytes of the ready ones. */
  bytes: number;
  /** An entry with an expiry went in since the lane was last empty. */
  expiring: boolean;
  changed: boolean;
}

/** The position for one more entry. Throws `publish-refused` when the lane has used up all it ever had. */
export function nextPosition(lane: Lane, queue: QueueRecord): number {
  if (lane.next < POSITIONS) return lane.next++;
  throw new EventsError('publish-refused', `queue "${queue.spec.name}" has taken ${POSITIONS} messages`, {
    hint: 'Drain it, then delete it and run setup again.',
  });
}

/** The id after the last one a lane can have. */
export function laneEnd(lane: Lane): number {
  return lane.base + POSITIONS;
}

/** The lane that an entry is in. */
export function laneOf(lanes: readonly Lane[], entry: number): Lane | undefined {
  return lanes.find((lane) => entry >= lane.base && entry < laneEnd(lane));
}

/** The lanes of a queue, highest priority first: the order of delivery. */
export function readLanes(prepare: Prepare, queue: number): Lane[] {
  return prepare(
    'SELECT id, priority, head, next, ready, bytes, expiring FROM lane WHERE queue = ? ORDER BY priority DESC',
  )
    .all(queue)
    .map(([id, priority, head, next, ready, bytes, expiring]) => ({
      id: Number(id),
      priority: Number(priority),
      base: Number(id) * POSITIONS,
      head: Number(head),
      next: Number(next),
      ready: Number(ready),
      bytes: Number(bytes),
      expiring: expiring === 1,
      changed: false,
    }));
}

/** Adds a lane under the lowest free id. Throws `storage` when there are too many. */
export function createLane(prepare: Prepare, queue: QueueRecord, priority: number): Lane {
  const [lowest] = prepare(
    'SELECT min(id) FROM (SELECT 1 AS id UNION ALL SELECT id + 1 FROM lane) WHERE id NOT IN (SELECT id FROM lane)',
  ).get() ?? [1];
  const id = Number(lowest);
  if (id >= MAX_LANES) {
    throw new EventsError('storage', `a broker file holds ${MAX_LANES} queues and priorities at most`, {
      hint: 'Delete queues that are no longer used.',
    });
  }
  prepare('INSERT INTO lane VALUES (?, ?, ?, 0, 0, 0, 0, 0)').run(id, queue.id, priority);
  const empty = { head: 0, next: 0, ready: 0, bytes: 0, expiring: false, changed: false };
  return { id, priority, base: id * POSITIONS, ...empty };
}

export function writeLane(prepare: Prepare, lane: Lane): void {
  prepare('UPDATE lane SET head = ?, next = ?, ready = ?, bytes = ?, expiring = ? WHERE id = ?').run(
    lane.head,
    lane.next,
    lane.ready,
    lane.bytes,
    lane.expiring ? 1 : 0,
    lane.id,
  );
  lane.changed = false;
}

/** When the first ready entry expires (ms since 1970); undefined for none or never. */
export function headExpiry(prepare: Prepare, lane: Lane): number | undefined {
  const head =
    prepare(
      `SELECT e.expires FROM returned r CROSS JOIN entry e ON e.id = r.id
       WHERE r.id >= ? AND r.id < ? ORDER BY r.id LIMIT 1`,
    ).get(lane.base, laneEnd(lane)) ??
    prepare('SELECT expires FROM entry WHERE id = ?').get(lane.base + lane.head);
  return typeof head?.[0] === 'number' ? head[0] : undefined;
}
