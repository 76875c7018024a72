/** Declaring, comparing and deleting exchanges, queues and bindings, inside one turn. */
import { EventsError, exchangeMissing, queueMissing } from '../../core/errors.js';
import {
  type BindingSpec,
  bindingName,
  type ExchangeSpec,
  type QueueSpec,
  type Topology,
} from '../../core/topology/model.js';
import {
  ABSENT,
  AS_DECLARED,
  compareExchange,
  compareQueue,
  type Observation,
  type TopologyObservation,
} from '../../core/topology/observe.js';
import { describeDifferences } from '../../core/topology/plan.js';
import { checkExchange, checkQueue, checkText } from './arguments.js';
import type { Catalog, QueueRecord } from './catalog.js';
import { deleteQueue } from './queues.js';
import type { Turn } from './turn.js';

/** Compares a topology with what there is. */
export function observe(topology: Topology, catalog: Catalog): TopologyObservation {
  return {
    exchanges: topology.exchanges.map((spec): Observation => {
      const actual = catalog.exchanges.get(spec.name);
      return actual === undefined ? ABSENT : compareExchange(spec, actual.spec);
    }),
    queues: topology.queues.map((spec): Observation => {
      const actual = catalog.queues.get(spec.name);
      return actual === undefined ? ABSENT : compareQueue(spec, actual.spec);
    }),
    bindings: topology.bindings.map((binding) => (isBound(binding, catalog) ? AS_DECLARED : ABSENT)),
  };
}

/** What is there of a topology before the broker file exists. */
export function observeNothing(topology: Topology): TopologyObservation {
  const absent = () => ABSENT;
  return {
    exchanges: topology.exchanges.map(absent),
    queues: topology.queues.map(absent),
    bindings: topology.bindings.map(absent),
  };
}

/** Throws what is wrong with a topology by itself, contradictions included, before anything is written. */
export function checkTopology(topology: Topology): void {
  const exchanges = new Map<string, ExchangeSpec>();
  for (const spec of topology.exchanges) {
    checkExchange(spec);
    const twin = exchanges.get(spec.name);
    if (twin !== undefined) assertSame(`exchange "${spec.name}"`, compareExchange(spec, twin));
    exchanges.set(spec.name, spec);
  }
  const queues = new Map<string, QueueSpec>();
  for (const spec of topology.queues) {
    checkQueue(spec);
    const twin = queues.get(spec.name);
    if (twin !== undefined) assertSame(`queue "${spec.name}"`, compareQueue(spec, twin));
    queues.set(spec.name, spec);
  }
  for (const binding of topology.bindings) checkText(`binding ${bindingName(binding)}`, binding.key);
}

/**
 * Creates what is missing; any conflict undoes the turn. `session` owns the exclusive queues among them.
 * Throws `topology-conflict`, `queue-locked`, `access-refused`, `exchange-missing` or `queue-missing`.
 */
export function declare(turn: Turn, topology: Topology, session: number | undefined): void {
  let changed = false;
  for (const spec of topology.exchanges) changed = declareExchange(turn, spec) || changed;
  for (const spec of topology.queues) changed = declareQueue(turn, spec, session) || changed;
  if (changed) turn.touchTopology();
  let bound = false;
  for (const binding of topology.bindings) bound = declareBinding(turn, binding, session) || bound;
  if (bound) turn.touchTopology();
}

/** Deletes queues and exchanges with their bindings and messages; missing ones are skipped. */
export function remove(
  turn: Turn,
  queues: readonly string[],
  exchanges: readonly string[],
  session: number | undefined,
): void {
  for (const name of queues) {
    const queue = turn.catalog.queues.get(name);
    if (queue === undefined) continue;
    assertUnlocked(queue, session);
    deleteQueue(turn, queue);
  }
  for (const name of exchanges) {
    if (!turn.catalog.exchanges.has(name)) continue;
    if (name.startsWith('amq.')) throw reserved('exchange', name);
    turn.prepare('DELETE FROM binding WHERE exchange = ?').run(name);
    turn.prepare('DELETE FROM exchange WHERE name = ?').run(name);
    turn.touchTopology();
  }
}

/** Throws `queue-locked` when the queue is exclusive to another session. */
export function assertUnlocked(queue: QueueRecord, session: number | undefined): void {
  if (queue.owner === undefined || queue.owner === session) return;
  throw new EventsError('queue-locked', `queue "${queue.spec.name}" is exclusive to another connection`, {
    hint: 'It goes when that connection closes.',
  });
}

function declareExchange(turn: Turn, spec: ExchangeSpec): boolean {
  const existing = turn.catalog.exchanges.get(spec.name);
  if (existing !== undefined) {
    assertSame(`exchange "${spec.name}"`, compareExchange(spec, existing.spec));
    return false;
  }
  if (spec.name.startsWith('amq.')) throw reserved('exchange', spec.name);
  const { name, type, durable, autoDelete } = spec;
  const args = JSON.stringify(spec.arguments);
  return (
    turn
      .prepare('INSERT OR IGNORE INTO exchange VALUES (?, ?, ?, ?, ?)')
      .run(name, type, Number(durable), Number(autoDelete), args) > 0
  );
}

function declareQueue(turn: Turn, spec: QueueSpec, session: number | undefined): boolean {
  const existing = turn.catalog.queues.get(spec.name);
  if (existing !== undefined) {
    assertUnlocked(existing, session);
    assertSame(`queue "${spec.name}"`, compareQueue(spec, existing.spec));
    return false;
  }
  if (spec.name.startsWith('amq.')) throw reserved('queue', spec.name);
  const { name, durable, exclusive, autoDelete } = spec;
  const owner = exclusive ? (session ?? null) : null;
  return (
    turn
      .prepare(
        `INSERT OR IGNORE INTO queue (name, durable, exclusive, auto_delete, arguments, owner)
         VALUES (?, ?, ?, ?, ?, ?)`,
      )
      .run(
        name,
        Number(durable),
        Number(exclusive),
        Number(autoDelete),
        JSON.stringify(spec.arguments),
        owner,
      ) > 0
  );
}

function declareBinding(turn: Turn, binding: BindingSpec, session: number | undefined): boolean {
  const { catalog } = turn;
  if (!catalog.exchanges.has(binding.exchange)) throw exchangeMissing(binding.exchange);
  const queue = catalog.queues.get(binding.queue);
  if (queue === undefined) throw queueMissing(binding.queue);
  assertUnlocked(queue, session);
  return (
    turn
      .prepare('INSERT OR IGNORE INTO binding VALUES (?, ?, ?)')
      .run(binding.exchange, binding.key, queue.id) > 0
  );
}

function isBound({ exchange, queue, key }: BindingSpec, catalog: Catalog): boolean {
  const record = catalog.queues.get(queue);
  if (record === undefined) return false;
  return catalog.exchanges.get(exchange)?.bindings.get(key)?.has(record) ?? false;
}

function assertSame(what: string, observation: Observation): void {
  if (observation.state !== 'present' || observation.differences.length === 0) return;
  const differences = describeDifferences(observation.differences);
  throw new EventsError('topology-conflict', `${what} exists with other attributes: ${differences}`, {
    hint: 'Nothing was changed. Declare it as it is, or delete it (with its messages) and declare it anew.',
  });
}

function reserved(kind: string, name: string): EventsError {
  return new EventsError('access-refused', `${kind} name "${name}" is reserved: it begins with amq.`, {
    hint: 'Choose another name; RabbitMQ reserves these too.',
  });
}
