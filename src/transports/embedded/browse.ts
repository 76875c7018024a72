/** Looking into a queue without touching it: page by page, so that a deep one fits into memory. */
import { queueMissing } from '../../core/errors.js';
import type { ReceivedMessage } from '../../core/message.js';
import type { QueueCounts } from '../../core/transport.js';
import type { Broker } from './broker.js';
import type { Prepare, QueueRecord } from './catalog.js';
import { receivedFrom } from './claims.js';
import { entryFrom, FRESH_ENTRIES, RETURNED_ENTRIES } from './entries.js';
import { expireDue } from './expiry.js';
import { type Lane, readLanes } from './lane.js';
import { countsOf } from './queues.js';
import type { Reaper } from './reaper.js';
import { assertUnlocked } from './topology.js';

const PAGE = 100;
/** Lanes with more body bytes than this are read one message at a time. */
const PAGED_BYTES = 16 * 1024 * 1024;

interface Page {
  readonly messages: readonly ReceivedMessage[];
  /** The last entry read; undefined when the lane is done. */
  readonly last: number | undefined;
}

/** Ready messages and consumers, or undefined when there is no such queue. */
export async function counts(broker: Broker, reaper: Reaper, name: string): Promise<QueueCounts | undefined> {
  if (!broker.exists()) return undefined;
  await reaper.round(0);
  await expireDue(broker);
  return broker.read((prepare, catalog) => {
    const queue = catalog.queues.get(name);
    return queue === undefined ? undefined : countsOf(prepare, queue);
  });
}

/** The ready messages of a queue. Throws `queue-missing` or `queue-locked`. */
export async function* browse(
  broker: Broker,
  reaper: Reaper,
  name: string,
  limit: number,
  session: number | undefined,
): AsyncGenerator<ReceivedMessage> {
  if (!broker.exists()) throw queueMissing(name);
  await reaper.round(0);
  await expireDue(broker);
  const queue = await broker.read((_, catalog) => catalog.queues.get(name));
  if (queue === undefined) throw queueMissing(name);
  assertUnlocked(queue, session);
  yield* readReady(broker, queue, limit);
}

/**
 * The messages that are ready when reached, up to those that came after the start. Entry order is queue
 * order within a lane: whatever was handed back is older than the head.
 */
async function* readReady(
  broker: Broker,
  queue: QueueRecord,
  limit: number,
): AsyncGenerator<ReceivedMessage> {
  let left = limit;
  for (const lane of await broker.read((prepare) => readLanes(prepare, queue.id))) {
    const end = lane.base + lane.next;
    let after = lane.base - 1;
    while (left > 0) {
      const page = await broker.read((prepare) => readPage(prepare, queue, lane.id, after, end, left));
      for (const message of page.messages) {
        if (left-- <= 0) return;
        yield message;
      }
      if (page.last === undefined) break;
      after = page.last;
    }
  }
}

function readPage(
  prepare: Prepare,
  queue: QueueRecord,
  laneId: number,
  after: number,
  end: number,
  limit: number,
): Page {
  const lane = readLanes(prepare, queue.id).find(({ id }) => id === laneId);
  if (lane === undefined || lane.ready === 0) return { messages: [], last: undefined };
  const size = lane.bytes > PAGED_BYTES ? 1 : Math.min(PAGE, limit);
  const returned = prepare(RETURNED_ENTRIES)
    .all(after + 1, end, size)
    .map(entryFrom);
  if (returned.length > 0) {
    return { messages: returned.map((row) => receivedFrom(row, true)), last: returned.at(-1)?.entry };
  }
  const fresh = prepare(FRESH_ENTRIES).all(firstFresh(lane, after), end, size).map(entryFrom);
  return { messages: fresh.map((row) => receivedFrom(row, false)), last: fresh.at(-1)?.entry };
}

function firstFresh(lane: Lane, after: number): number {
  return Math.max(after + 1, lane.base + lane.head);
}
