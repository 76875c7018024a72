/** One replay per dead-letter queue, on whatever machine: an exclusive queue on the broker is the lock. */
import { createHash } from 'node:crypto';
import { EventsError, isEventsError } from '../core/errors.js';
import { EMPTY_TOPOLOGY, queue as queueSpec } from '../core/topology/model.js';
import type { Transport } from '../core/transport.js';

export interface ReplayLock {
  /**
   * After a lost connection: resolved, it is ours again, and so the broker has noticed that the former connection is gone.
   * Rejects with `queue-locked` when somebody else took it meanwhile.
   */
  renew(): Promise<void>;
  release(): Promise<void>;
}

export interface LockDeps {
  readonly now: () => number;
  readonly pause: (ms: number) => Promise<void>;
}

const PREFIX = 'atma-events.replay-lock.';
const LONGEST_NAME = 255;
/** RabbitMQ may take two heartbeats (2 × 15 s) to notice that our own former connection is gone. */
const GHOST_MS = 35_000;
/** Until the end of a killed process has reached the broker. */
const DYING_MS = 1_000;
const LOOK_MS = 250;

/** Queues locked in this process: the broker does not refuse what the same connection declares again. */
const held = new WeakMap<Transport, Set<string>>();

export async function lockQueue(transport: Transport, queue: string, deps: LockDeps): Promise<ReplayLock> {
  const own = held.get(transport) ?? new Set();
  if (own.has(queue)) throw locked(queue);
  held.set(transport, own.add(queue));
  const spec = queueSpec(lockName(queue), {}, { durable: false, exclusive: true });
  const declare = () => transport.apply({ ...EMPTY_TOPOLOGY, queues: [spec] });
  try {
    // The broker may not have noticed yet that the holder was killed a moment ago.
    await declareWithin(DYING_MS, declare, deps);
  } catch (error) {
    own.delete(queue);
    throw isEventsError(error, 'queue-locked') ? locked(queue, error) : error;
  }
  return {
    async renew() {
      try {
        await declareWithin(GHOST_MS, declare, deps);
      } catch (error) {
        throw isEventsError(error, 'queue-locked') ? locked(queue, error) : error;
      }
    },
    async release() {
      own.delete(queue);
      await transport.remove({ queues: [spec.name] });
    },
  };
}

/** Tries again while somebody holds it, for as long as that may be somebody who is gone. */
async function declareWithin(ms: number, declare: () => Promise<void>, deps: LockDeps): Promise<void> {
  for (const until = deps.now() + ms; ; await deps.pause(LOOK_MS)) {
    try {
      return await declare();
    } catch (error) {
      if (!isEventsError(error, 'queue-locked') || deps.now() >= until) throw error;
    }
  }
}

/** Whether a replay of the queue runs at this moment, on whatever machine. Changes nothing. */
export async function isReplayRunning(transport: Transport, queue: string): Promise<boolean> {
  if (held.get(transport)?.has(queue)) return true;
  try {
    return (await transport.counts(lockName(queue))) !== undefined;
  } catch (error) {
    // RabbitMQ tells of another connection's exclusive queue by refusing.
    if (isEventsError(error, 'queue-locked')) return true;
    throw error;
  }
}

function lockName(queue: string): string {
  const name = `${PREFIX}${queue}`;
  if (Buffer.byteLength(name) <= LONGEST_NAME) return name;
  return `${PREFIX}${createHash('sha256').update(queue).digest('hex')}`;
}

function locked(queue: string, cause?: unknown): EventsError {
  return new EventsError('queue-locked', `Another replay of "${queue}" is running`, {
    hint: 'Wait for its end, or stop it where it runs (Ctrl-C).',
    cause,
  });
}
