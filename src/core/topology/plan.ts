/** The plan: what a topology needs, given what the transport found. Pure. */
import { type Arguments, bindingName, type ExchangeSpec, type QueueSpec, type Topology } from './model.js';
import type { Difference, Observation, TopologyObservation } from './observe.js';

/**
 * | found | action |
 * |---|---|
 * | absent | create |
 * | present as declared | keep |
 * | present, other attributes | conflict |
 * | unknown | keep, with the reason why it could not be verified; `apply` declares it again |
 */
export type Action = 'create' | 'keep' | 'conflict';
export type Kind = 'exchange' | 'queue' | 'binding';

export interface Change {
  readonly action: Action;
  readonly kind: Kind;
  readonly name: string;
  readonly reason?: string;
  /** With `conflict`: every attribute that differs. */
  readonly differences?: readonly Difference[];
  /** False when the broker would not say whether it is there. */
  readonly verified: boolean;
}

export interface TopologyPlan {
  /** Exchanges, then queues, then bindings, each in the topology's order. */
  readonly changes: readonly Change[];
  readonly creates: number;
  readonly conflicts: number;
  readonly unverified: number;
  /** What `Transport.apply` must be given: what is absent or could not be verified. */
  readonly toApply: Topology;
}

/** Compares a topology with what was observed of it. */
export function planTopology(topology: Topology, observed: TopologyObservation): TopologyPlan {
  const exchanges = topology.exchanges.map((spec, i) =>
    change('exchange', spec.name, observed.exchanges[i], describeExchange(spec)),
  );
  const queues = topology.queues.map((spec, i) =>
    change('queue', spec.name, observed.queues[i], describeQueue(spec)),
  );
  const bindings = topology.bindings.map((spec, i) =>
    change('binding', bindingName(spec), observed.bindings[i], undefined),
  );
  const changes = [...exchanges, ...queues, ...bindings];
  const pending = (of: Change | undefined) => of !== undefined && (of.action === 'create' || !of.verified);
  return {
    changes,
    creates: changes.filter((c) => c.action === 'create').length,
    conflicts: changes.filter((c) => c.action === 'conflict').length,
    unverified: changes.filter((c) => !c.verified).length,
    toApply: {
      exchanges: topology.exchanges.filter((_, i) => pending(exchanges[i])),
      queues: topology.queues.filter((_, i) => pending(queues[i])),
      bindings: topology.bindings.filter((_, i) => pending(bindings[i])),
    },
  };
}

/** `x-message-ttl is 1000, expected 5000`, one phrase per difference. */
export function describeDifferences(differences: readonly Difference[]): string {
  return differences
    .map(({ attribute, desired, actual }) => `${attribute} is ${show(actual)}, expected ${show(desired)}`)
    .join('; ');
}

function change(
  kind: Kind,
  name: string,
  found: Observation | undefined,
  description: string | undefined,
): Change {
  if (found === undefined || found.state === 'absent') {
    return { action: 'create', kind, name, verified: true, ...(description && { reason: description }) };
  }
  if (found.state === 'unknown') return { action: 'keep', kind, name, verified: false, reason: found.reason };
  if (found.differences.length === 0) return { action: 'keep', kind, name, verified: true };
  const reason = describeDifferences(found.differences);
  return { action: 'conflict', kind, name, verified: true, reason, differences: found.differences };
}

function describeExchange(spec: ExchangeSpec): string {
  return [spec.type, spec.durable ? 'durable' : 'transient', ...describeArguments(spec.arguments)].join(', ');
}

function describeQueue(spec: QueueSpec): string {
  return [spec.durable ? 'durable' : 'transient', ...describeArguments(spec.arguments)].join(', ');
}

function describeArguments(args: Arguments): string[] {
  return Object.entries(args).map(([name, value]) => `${name}=${value}`);
}

function show(value: string | number | boolean | undefined): string {
  return value === undefined ? 'not set' : JSON.stringify(value);
}
