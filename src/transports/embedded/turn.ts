/** One write transaction: what it has read, what it changed, and whom that wakes. */
import type { Catalog, Prepare, QueueRecord } from './catalog.js';
import { createLane, type Lane, nextPosition, readLanes, writeLane } from './lane.js';

/** A message about to be stored. */
export interface StoredMessage {
  readonly exchange: string;
  readonly key: string;
  /** From `encodeProperties`. */
  readonly properties: string | Uint8Array;
  readonly body: Uint8Array;
  readonly priority: number;
  /** Per-message expiration in milliseconds. */
  readonly ttl: number | undefined;
}

export interface TurnOf {
  readonly catalog: Catalog;
  /** The catalog with this turn's own changes. */
  readonly reread: () => Catalog;
  /** Brings a queue that grew back within its limits. */
  readonly enforceLimits: (turn: Turn, queue: QueueRecord) => void;
}

export class Turn {
  /** Queues that got ready messages. */
  readonly woken = new Set<number>();
  topologyChanged = false;
  readonly #lanes = new Map<number, Lane[]>();
  readonly #limited = new Set<QueueRecord>();
  readonly #of: TurnOf;
  #catalog: Catalog;
  #nextMessage: number | undefined;

  constructor(
    readonly prepare: Prepare,
    /** Milliseconds since 1970, the same for the whole turn. */
    readonly now: number,
    of: TurnOf,
  ) {
    this.#of = of;
    this.#catalog = of.catalog;
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  /** Call after every change of exchanges, queues or bindings: all processes then read them anew. */
  touchTopology(): void {
    this.prepare('UPDATE meta SET topology = topology + 1').run();
    this.topologyChanged = true;
    this.#catalog = this.#of.reread();
  }

  lanes(queue: number): Lane[] {
    let lanes = this.#lanes.get(queue);
    if (lanes === undefined) {
      lanes = readLanes(this.prepare, queue);
      this.#lanes.set(queue, lanes);
    }
    return lanes;
  }

  /** The queue is going: its lanes must not be written back. */
  forgetLanes(queue: QueueRecord): void {
    this.#lanes.delete(queue.id);
    this.#limited.delete(queue);
    this.woken.delete(queue.id);
  }

  /** Stores a message once and puts it at the end of each queue. */
  store(message: StoredMessage, queues: readonly QueueRecord[]): void {
    const { exchange, key, properties, body } = message;
    const id = this.#messageId();
    this.prepare('INSERT INTO message VALUES (?, ?, ?, ?, ?, ?)').run(
      id,
      queues.length,
      exchange,
      key,
      properties,
      body,
    );
    const insert = this.prepare('INSERT INTO entry VALUES (?, ?, ?)');
    for (const queue of queues) {
      const lane = this.#laneFor(queue, message.priority);
      const { ttl, maxLength, maxBytes } = queue.policy;
      const lifetime = lowest(ttl, message.ttl);
      const entry = lane.base + nextPosition(lane, queue);
      insert.run(entry, id, lifetime === undefined ? null : this.now + lifetime);
      lane.ready++;
      lane.bytes += body.length;
      if (lifetime !== undefined) lane.expiring = true;
      lane.changed = true;
      this.woken.add(queue.id);
      if (maxLength !== undefined || maxBytes !== undefined) this.#limited.add(queue);
    }
  }

  /** A queue whose ready messages became more (also by a requeue). */
  grew(queue: QueueRecord): void {
    this.woken.add(queue.id);
    this.#limited.add(queue);
  }

  /** Last act of the transaction: length limits, then the lanes as they stand. */
  finish(): void {
    // Dropping may dead-letter into further limited queues. It ends: a dropped message never comes back to
    // a queue that dropped it (see `inCycle`).
    for (const queue of this.#limited) {
      this.#limited.delete(queue);
      this.#of.enforceLimits(this, queue);
    }
    for (const lanes of this.#lanes.values()) {
      for (const lane of lanes) if (lane.changed) writeLane(this.prepare, lane);
    }
  }

  #messageId(): number {
    this.#nextMessage ??= Number(this.prepare('SELECT max(id) FROM message').get()?.[0] ?? 0);
    return ++this.#nextMessage;
  }

  #laneFor(queue: QueueRecord, priority: number): Lane {
    const level = Math.min(priority, queue.policy.maxPriority);
    const lanes = this.lanes(queue.id);
    const known = lanes.find((lane) => lane.priority === level);
    if (known !== undefined) return known;
    const lane = createLane(this.prepare, queue, level);
    lanes.push(lane);
    lanes.sort((a, b) => b.priority - a.priority);
    return lane;
  }
}

function lowest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}
