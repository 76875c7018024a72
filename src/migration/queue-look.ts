/** One look at the broker: the queues that get the catalog's events, who takes from them, and their dead letters. */
import type { Catalog } from '../core/events/catalog.js';
import type { QueueSpec, Topology } from '../core/topology/model.js';
import type { Transport } from '../core/transport.js';
import { deadLetterQueuesIn, deadLetterTargets, type QueueWiring } from '../dead-letters/queue-kinds.js';

/** What the settings know: `System` has this shape. */
export interface KnownSystem {
  readonly catalog: Pick<Catalog, 'definitions'>;
  readonly topology: Topology;
}

export interface BoundQueue {
  readonly queue: string;
  /** False: the topology wants it, and the broker has none. Its numbers are 0 then. */
  readonly exists: boolean;
  readonly consumers: number;
  /** Messages that wait. */
  readonly ready: number;
}

export interface QueueLook {
  /** Queues bound to the exchanges of the catalog's events, by name. */
  readonly bound: readonly BoundQueue[];
  /** The dead-letter queues behind those that exist, by name. */
  readonly deadLetters: readonly { readonly queue: string; readonly messages: number }[];
  /** Why the broker would not tell about queues that the topology does not name. */
  readonly incomplete?: string;
}

export type Looking = Pick<Transport, 'survey' | 'counts'>;

/**
 * Names come from the topology and, where the broker tells, from its survey; numbers are asked for one by one, as a
 * survey's may be seconds old. Rejects as `survey` and `counts` do.
 */
export async function lookAtQueues(transport: Looking, system: KnownSystem): Promise<QueueLook> {
  const survey = await transport.survey();
  const wirings: readonly QueueWiring[] =
    survey.state === 'known' ? [system.topology, survey] : [system.topology];
  const bound = namesIn(wirings, (wiring) => boundIn(wiring, system));
  const deadLetters = namesIn(wirings, (wiring) => deadLettersBehind(wiring, bound));
  // What a consumer declares for itself where its queue has no dead-letter exchange.
  const own = bound.map((queue) => `${queue}_dlq`);
  const [boundCounts, deadCounts] = await Promise.all([
    countsOf(transport, bound),
    countsOf(transport, [...new Set([...deadLetters, ...own])].toSorted()),
  ]);
  return {
    bound: boundCounts.map(({ queue, counts }) => ({
      queue,
      exists: counts !== undefined,
      consumers: counts?.consumers ?? 0,
      ready: counts?.ready ?? 0,
    })),
    deadLetters: deadCounts.flatMap(({ queue, counts }) =>
      counts === undefined ? [] : [{ queue, messages: counts.ready }],
    ),
    ...(survey.state === 'unknown' && { incomplete: survey.reason }),
  };
}

/** Without dead-letter queues, and without those of taps and locks, which go with their connections. */
function boundIn(wiring: QueueWiring, { catalog }: KnownSystem): readonly string[] {
  const exchanges = new Set(catalog.definitions.map(({ exchange }) => exchange));
  const direct = new Set(
    catalog.definitions.filter(({ exchange }) => exchange === '').map(({ routingKey }) => routingKey),
  );
  const bound = new Set(
    wiring.bindings.filter(({ exchange }) => exchanges.has(exchange)).map(({ queue }) => queue),
  );
  const dead = new Set(deadLetterQueuesIn(wiring));
  return wiring.queues
    .filter(({ name }) => bound.has(name) || direct.has(name))
    .filter((queue) => stays(queue) && !dead.has(queue.name))
    .map(({ name }) => name);
}

function deadLettersBehind(wiring: QueueWiring, bound: readonly string[]): readonly string[] {
  const targets = new Set(
    wiring.queues
      .filter(({ name }) => bound.includes(name))
      .flatMap((queue) => deadLetterTargets(queue, wiring)),
  );
  return deadLetterQueuesIn(wiring).filter((name) => targets.has(name));
}

const stays = ({ exclusive, autoDelete }: QueueSpec) => !exclusive && !autoDelete;

function namesIn(
  wirings: readonly QueueWiring[],
  find: (wiring: QueueWiring) => readonly string[],
): readonly string[] {
  return [...new Set(wirings.flatMap(find))].toSorted();
}

function countsOf(transport: Looking, queues: readonly string[]) {
  return Promise.all(queues.map(async (queue) => ({ queue, counts: await transport.counts(queue) })));
}
