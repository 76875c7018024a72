/**
 * Messages expire at the head of their queue. There is no server whose timer could do it, so it happens
 * whenever a process looks at a queue, and on a timer in every process that consumes anything.
 */
import { setImmediate } from 'node:timers/promises';
import type { Broker } from './broker.js';
import type { Prepare } from './catalog.js';
import { headExpiry, readLanes } from './lane.js';
import { expireHeads } from './limits.js';

/** Expires what is due in all queues. Returns when the next is due (ms since 1970), if any is known. */
export async function expireDue(broker: Broker): Promise<number | undefined> {
  for (;;) {
    const { due, next } = await broker.read((prepare) => dueQueues(prepare, broker.now()));
    if (due.length === 0) return next;
    await broker.write(false, (turn) => {
      for (const id of due) {
        const queue = turn.catalog.queuesById.get(id);
        if (queue !== undefined) expireHeads(turn, queue);
      }
    });
    // There may be thousands more; the event loop gets its turn in between.
    await setImmediate();
  }
}

function dueQueues(prepare: Prepare, now: number): { due: number[]; next: number | undefined } {
  const due: number[] = [];
  let next: number | undefined;
  for (const [id] of prepare('SELECT DISTINCT queue FROM lane WHERE expiring = 1 AND ready > 0').all()) {
    for (const lane of readLanes(prepare, Number(id))) {
      const expires = lane.expiring && lane.ready > 0 ? headExpiry(prepare, lane) : undefined;
      if (expires === undefined) continue;
      if (expires <= now) due.push(Number(id));
      else next = next === undefined ? expires : Math.min(next, expires);
    }
  }
  return { due, next };
}
