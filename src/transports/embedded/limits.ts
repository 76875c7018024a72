/** What leaves a queue by itself: too many messages (`x-max-length…`), or too old ones (TTL). */
import type { QueueRecord } from './catalog.js';
import { deadLetter } from './dead-letter.js';
import { forgetEntries, forgetEntry, headOf, takeHead } from './entries.js';
import type { Lane } from './lane.js';
import { sizeOf } from './overflow.js';
import type { Turn } from './turn.js';

/** Drops from the head until the queue is within its limits. */
export function enforceLimits(turn: Turn, queue: QueueRecord): void {
  const { maxLength = Infinity, maxBytes = Infinity, overflow, deadLetterExchange } = queue.policy;
  if (overflow !== 'drop-head') return;
  const lanes = turn.lanes(queue.id);
  let dropped = 0;
  for (let size = sizeOf(lanes); size.ready > maxLength || size.bytes > maxBytes; size = sizeOf(lanes)) {
    const bulk = deadLetterExchange === undefined ? dropFresh(turn, lanes, size.ready - maxLength) : 0;
    if (bulk === 0 && !dropHead(turn, queue, lanes)) break;
    dropped += Math.max(bulk, 1);
  }
  if (dropped > 0) turn.prepare('UPDATE queue SET dropped = dropped + ? WHERE id = ?').run(dropped, queue.id);
}

/** Expired messages taken in one transaction: others want to write, too. */
const EXPIRED_AT_ONCE = 1_000;

/** Dead-letters or drops what has expired at the head of each lane, a thousand at most. */
export function expireHeads(turn: Turn, queue: QueueRecord): void {
  let left = EXPIRED_AT_ONCE;
  for (const lane of [...turn.lanes(queue.id)]) {
    if (!lane.expiring) continue;
    let head = headOf(turn, lane);
    while (left > 0 && head?.row.expires !== undefined && head.row.expires <= turn.now) {
      left--;
      takeHead(turn, lane, head);
      deadLetter(turn, queue, head.row, 'expired');
      forgetEntry(turn, head.row.entry, head.row.message);
      head = headOf(turn, lane);
    }
    if (head === undefined && lane.head === lane.next && lane.ready === 0) {
      lane.expiring = false;
      lane.changed = true;
    }
  }
}

function dropHead(turn: Turn, queue: QueueRecord, lanes: readonly Lane[]): boolean {
  const lane = lanes.find(({ ready }) => ready > 0);
  const head = lane === undefined ? undefined : headOf(turn, lane);
  if (lane === undefined || head === undefined) return false;
  takeHead(turn, lane, head);
  deadLetter(turn, queue, head.row, 'maxlen');
  forgetEntry(turn, head.row.entry, head.row.message);
  return true;
}

/** Up to `count` from the first lane at once, where none was handed back: an overflowing tap must be cheap. */
function dropFresh(turn: Turn, lanes: readonly Lane[], count: number): number {
  const lane = lanes.find(({ ready }) => ready > 0);
  if (lane === undefined || count <= 0 || lane.ready !== lane.next - lane.head) return 0;
  const dropped = Math.min(count, lane.ready);
  const lo = lane.base + lane.head;
  const hi = lo + dropped - 1;
  const [bytes] = turn
    .prepare(
      'SELECT total(length(m.body)) FROM entry e CROSS JOIN message m ON m.id = e.message WHERE e.id BETWEEN ? AND ?',
    )
    .get(lo, hi) ?? [0];
  forgetEntries(turn, lo, hi);
  lane.head += dropped;
  lane.ready -= dropped;
  lane.bytes -= Number(bytes);
  lane.changed = true;
  return dropped;
}
