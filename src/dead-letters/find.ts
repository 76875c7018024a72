/**
 * Which queues hold dead letters, and which hold messages that wait for a retry. Asked of the broker where it tells
 * (`survey`); else known from the topology of the settings, and from the queues that those name besides.
 */
import { defaultDelayQueues } from '../core/consuming/ladder.js';
import { EventsError } from '../core/errors.js';
import { closest } from '../core/events/closest.js';
import type { QueueSpec, Topology } from '../core/topology/model.js';
import type { QueueCounts, Transport } from '../core/transport.js';
import { deadLetterQueuesIn } from './queue-kinds.js';

/** What the settings know: `System` has this shape. */
export interface KnownQueues {
  readonly topology: Topology;
  readonly deadLetterQueues?: readonly string[];
}

/** Deliveries after which a queue gives a message up; undefined: it never does; `unknown`: the broker does not tell. */
export type DeliveryLimit = number | 'unknown' | undefined;

export interface DeadLetterQueue {
  readonly name: string;
  readonly deliveryLimit?: DeliveryLimit;
}

export interface DelayQueue {
  readonly name: string;
  /** Where its messages go back to. */
  readonly queue: string;
  readonly delayMs: number;
  readonly ready: number;
}

export interface FoundQueues {
  /** Those that exist, by name. */
  readonly deadLetterQueues: readonly DeadLetterQueue[];
  /** Delay queues of our consumers, by queue and delay. */
  readonly delayQueues: readonly DelayQueue[];
  /** Set when the broker would not tell and there may be others: why. */
  readonly incomplete?: string;
}

type Looking = Pick<Transport, 'survey' | 'counts' | 'address'>;

const DELAY_QUEUE = /^(.+)\.retry\.(\d{1,12})$/;

/** Looks for them. Rejects as `survey` and `counts` do. */
export async function findQueues(transport: Looking, known: KnownQueues): Promise<FoundQueues> {
  const survey = await transport.survey();
  const foreign = known.deadLetterQueues ?? [];
  if (survey.state === 'known') {
    const names = new Set([...deadLetterQueuesIn(survey), ...foreign]);
    return {
      deadLetterQueues: survey.queues
        .filter(({ name }) => names.has(name))
        .map(({ name, deliveryLimit }) => ({ name, ...(deliveryLimit !== undefined && { deliveryLimit }) }))
        .toSorted(byName),
      delayQueues: delayQueuesIn(survey.queues),
    };
  }
  const names = deadLetterQueuesIn(known.topology);
  const candidates = [...new Set([...names, ...foreign])];
  const found = await Promise.all(
    candidates.map(async (name): Promise<DeadLetterQueue[]> => {
      // What is declared is no proof: a virtual host may make quorum queues of all, a policy may set a limit.
      return (await transport.counts(name)) ? [{ name, deliveryLimit: 'unknown' }] : [];
    }),
  );
  const consumed = known.topology.queues.filter(({ name }) => !names.includes(name));
  return {
    deadLetterQueues: found.flat().toSorted(byName),
    delayQueues: await lookForDelayQueues(transport, consumed),
    incomplete: survey.reason,
  };
}

/** Asks once, and answers for each queue; `unknown` for one that the broker does not list (it may be seconds old). */
export async function findDeliveryLimits(
  transport: Pick<Transport, 'survey'>,
): Promise<(queue: string) => DeliveryLimit> {
  const survey = await transport.survey();
  if (survey.state === 'unknown') return () => 'unknown';
  const limits = new Map(survey.queues.map(({ name, deliveryLimit }) => [name, deliveryLimit]));
  return (queue) => (limits.has(queue) ? limits.get(queue) : 'unknown');
}

/** Depth of the queue. Rejects with `queue-missing`, with the dead-letter queue of the closest name in its hint. */
export async function requireQueue(
  transport: Looking,
  known: KnownQueues,
  queue: string,
): Promise<QueueCounts> {
  const counts = await transport.counts(queue);
  if (counts !== undefined) return counts;
  const names = (await findQueues(transport, known)).deadLetterQueues.map(({ name }) => name);
  const near = closest(queue, names);
  const others = names.length === 0 ? 'Run dlq list to see them.' : `There are: ${names.join(', ')}.`;
  throw new EventsError('queue-missing', `queue "${queue}" does not exist on ${transport.address}`, {
    hint: near === undefined ? others : `Did you mean "${near}"?`,
  });
}

function delayQueuesIn(queues: readonly (QueueSpec & QueueCounts)[]): DelayQueue[] {
  const names = new Set(queues.map(({ name }) => name));
  return queues
    .flatMap(({ name, ready, arguments: args }) => {
      const [, queue = '', delay = ''] = DELAY_QUEUE.exec(name) ?? [];
      if (!names.has(queue) || args['x-message-ttl'] !== Number(delay)) return [];
      return [{ name, queue, delayMs: Number(delay), ready }];
    })
    .toSorted((a, b) => a.queue.localeCompare(b.queue) || a.delayMs - b.delayMs);
}

/** Where nobody tells which delay queues there are, those of the default retry ladder are looked for. */
async function lookForDelayQueues(transport: Looking, queues: readonly QueueSpec[]): Promise<DelayQueue[]> {
  const candidates = queues.flatMap(({ name }) => defaultDelayQueues(name));
  const found = await Promise.all(
    candidates.map(async (candidate) => {
      const counts = await transport.counts(candidate.name);
      return counts === undefined ? [] : [{ ...candidate, ready: counts.ready }];
    }),
  );
  return found.flat();
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name.localeCompare(b.name);
}
