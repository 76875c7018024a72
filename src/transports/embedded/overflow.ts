/** How full a queue is. */
import type { QueueRecord } from './catalog.js';
import type { Lane } from './lane.js';
import type { Turn } from './turn.js';

/** Whether a queue with `reject-publish` is too full for one more message. Only ready messages count. */
export function wouldOverflow(turn: Turn, queue: QueueRecord, bytes: number): boolean {
  const { maxLength, maxBytes, overflow } = queue.policy;
  if (overflow === 'drop-head' || (maxLength === undefined && maxBytes === undefined)) return false;
  const size = sizeOf(turn.lanes(queue.id));
  return size.ready + 1 > (maxLength ?? Infinity) || size.bytes + bytes > (maxBytes ?? Infinity);
}

export function sizeOf(lanes: readonly Lane[]): { ready: number; bytes: number } {
  let ready = 0;
  let bytes = 0;
  for (const lane of lanes) {
    ready += lane.ready;
    bytes += lane.bytes;
  }
  return { ready, bytes };
}
