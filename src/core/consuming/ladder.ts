/**
 * The retry ladder: how long a failed event waits before each of its further attempts, and the delay queues it waits in.
 * Nobody consumes a delay queue; its TTL dead-letters each message back to the consumer's queue by the default
 * exchange, so that no other queue sees it.
 */
import { EventsError } from '../errors.js';
import { EMPTY_TOPOLOGY, type QueueSpec, queue as queueSpec, type Topology } from '../topology/model.js';

export interface RetryOptions {
  /** Milliseconds before the second, third, … attempt. Default 5 s, 30 s, 2 min, 10 min: five attempts in all. */
  readonly delaysMs?: readonly number[];
  /** Share of a delay by which it may be shortened at random, 0 to 1. Default 0.1. */
  readonly jitter?: number;
  /**
   * Type of the delay queues. `quorum` hands back without a window in which a dying broker could lose the message.
   * Default: the type with which the topology declares the consumer's queue, else classic.
   */
  readonly queueType?: 'classic' | 'quorum';
}

export interface Ladder {
  /** Milliseconds, one for each further attempt. Empty: no retries. */
  readonly delaysMs: readonly number[];
  /** The delay after `failures` failed attempts, or undefined when that was the last one. */
  delayAfter(failures: number): number | undefined;
  /** Name of the queue for a delay. */
  queueFor(delayMs: number): string;
  /** What must exist for a delay. */
  specFor(delayMs: number): QueueSpec;
  /** True for a delay queue of this consumer's queue, also of a ladder that it had before. */
  isDelayQueue(name: string): boolean;
  /** The delay, shortened at random; a whole number of milliseconds. */
  shortened(delayMs: number): number;
}

const DEFAULT_DELAYS_MS = [5_000, 30_000, 120_000, 600_000];
const DEFAULT_JITTER = 0.1;
/** The longest TTL that RabbitMQ takes: 2^32 - 1 ms, 49 days. */
const LONGEST_MS = 0xffff_ffff;

/** The ladder of a queue. `false`: none. Throws `usage` on delays or jitter out of their range. */
export function createLadder(
  queue: string,
  options: RetryOptions | false,
  topology: Topology,
  random: () => number,
): Ladder {
  const { delaysMs = DEFAULT_DELAYS_MS, jitter = DEFAULT_JITTER } =
    options === false ? { delaysMs: [] } : options;
  for (const delay of delaysMs) {
    if (!Number.isInteger(delay) || delay < 1 || delay > LONGEST_MS) {
      throw new EventsError('usage', `retry.delaysMs must be whole milliseconds from 1, got ${delay}`, {
        hint: `${LONGEST_MS} ms (49 days) is the longest that RabbitMQ takes.`,
      });
    }
  }
  if (!(jitter >= 0 && jitter <= 1)) {
    throw new EventsError('usage', `retry.jitter must be from 0 to 1, got ${jitter}`);
  }
  const type = (options !== false && options.queueType) || typeOf(queue, topology);
  const prefix = `${queue}.retry.`;
  return {
    delaysMs,
    delayAfter: (failures) => delaysMs[failures - 1],
    queueFor: (delayMs) => `${prefix}${delayMs}`,
    specFor: (delayMs) => delayQueue(`${prefix}${delayMs}`, queue, delayMs, type),
    isDelayQueue: (name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)),
    shortened: (delayMs) => Math.max(1, Math.round(delayMs * (1 - jitter * random()))),
  };
}

/** The delay queues that a consumer of the queue has by default, shortest first. For who cannot see which there are. */
export function defaultDelayQueues(
  queue: string,
): { readonly name: string; readonly queue: string; readonly delayMs: number }[] {
  const ladder = createLadder(queue, {}, EMPTY_TOPOLOGY, () => 0);
  return ladder.delaysMs.map((delayMs) => ({ name: ladder.queueFor(delayMs), queue, delayMs }));
}

function typeOf(queue: string, topology: Topology): 'classic' | 'quorum' {
  const declared = topology.queues.find(({ name }) => name === queue);
  return declared?.arguments['x-queue-type'] === 'quorum' ? 'quorum' : 'classic';
}

function delayQueue(name: string, queue: string, delayMs: number, type: 'classic' | 'quorum'): QueueSpec {
  const back = {
    'x-message-ttl': delayMs,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': queue,
  };
  if (type === 'classic') return queueSpec(name, back);
  // At-least-once wants reject-publish: https://www.rabbitmq.com/docs/quorum-queues#dead-lettering
  return queueSpec(name, {
    ...back,
    'x-queue-type': 'quorum',
    'x-dead-letter-strategy': 'at-least-once',
    'x-overflow': 'reject-publish',
  });
}
