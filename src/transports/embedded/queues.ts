/** The end of queues, and their consumers. */
import type { QueueCounts } from '../../core/transport.js';
import type { Prepare, QueueRecord } from './catalog.js';
import { releaseClaims } from './claims.js';
import { forgetEntries } from './entries.js';
import { laneEnd, readLanes } from './lane.js';
import type { Turn } from './turn.js';

/** Deletes a queue with its messages, bindings and claims; auto-delete exchanges that lose their last binding go too. */
export function deleteQueue(turn: Turn, queue: QueueRecord): void {
  for (const lane of turn.lanes(queue.id)) {
    const last = laneEnd(lane) - 1;
    forgetEntries(turn, lane.base, last);
    turn.prepare('DELETE FROM returned WHERE id BETWEEN ? AND ?').run(lane.base, last);
    turn.prepare('DELETE FROM reheld WHERE id BETWEEN ? AND ?').run(lane.base, last);
    turn.prepare('DELETE FROM claim WHERE lo BETWEEN ? AND ?').run(lane.base, last);
    turn.prepare('DELETE FROM lane WHERE id = ?').run(lane.id);
  }
  turn.forgetLanes(queue);
  const bound = turn.prepare('SELECT DISTINCT exchange FROM binding WHERE queue = ?').all(queue.id);
  turn.prepare('DELETE FROM binding WHERE queue = ?').run(queue.id);
  for (const [exchange] of bound) {
    turn
      .prepare(
        `DELETE FROM exchange WHERE name = ? AND auto_delete = 1
         AND NOT EXISTS (SELECT 1 FROM binding WHERE exchange = name)`,
      )
      .run(exchange ?? '');
  }
  turn.prepare('DELETE FROM consumer WHERE queue = ?').run(queue.id);
  turn.prepare('DELETE FROM queue WHERE id = ?').run(queue.id);
  turn.touchTopology();
}

/** Adds a consumer; its id is its lease on what it will claim. */
export function addConsumer(turn: Turn, queue: QueueRecord, session: number): number {
  turn.prepare('INSERT INTO consumer (queue, session, active) VALUES (?, ?, 1)').run(queue.id, session);
  return Number(turn.prepare('SELECT last_insert_rowid()').get()?.[0]);
}

/** The consumer takes no more. An auto-delete queue goes with its last one. */
export function stopConsumer(turn: Turn, consumer: number): void {
  const [queueId] =
    turn.prepare('SELECT queue FROM consumer WHERE id = ? AND active = 1').get(consumer) ?? [];
  if (queueId === undefined) return;
  turn.prepare('UPDATE consumer SET active = 0 WHERE id = ?').run(consumer);
  const queue = turn.catalog.queuesById.get(Number(queueId));
  if (queue?.spec.autoDelete === true && activeConsumers(turn.prepare, queue.id) === 0) {
    deleteQueue(turn, queue);
  }
}

/** `stopConsumer`, and what it held is ready again. */
export function endConsumer(turn: Turn, consumer: number): void {
  stopConsumer(turn, consumer);
  const [queueId] = turn.prepare('SELECT queue FROM consumer WHERE id = ?').get(consumer) ?? [];
  const queue = turn.catalog.queuesById.get(Number(queueId));
  if (queue !== undefined) releaseClaims(turn, queue, consumer);
  turn.prepare('DELETE FROM consumer WHERE id = ?').run(consumer);
}

export function countsOf(prepare: Prepare, queue: QueueRecord): QueueCounts {
  const ready = readLanes(prepare, queue.id).reduce((sum, lane) => sum + lane.ready, 0);
  return { ready, consumers: activeConsumers(prepare, queue.id) };
}

function activeConsumers(prepare: Prepare, queue: number): number {
  return Number(prepare('SELECT count(*) FROM consumer WHERE queue = ? AND active = 1').get(queue)?.[0] ?? 0);
}
