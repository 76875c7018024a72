/**
 * What `apply` declared that does not outlive a broker or a connection: not durable, exclusive or
 * auto-deleted, and the bindings of those. Declared again on each new connection.
 */
import type { Topology } from '../../core/topology/model.js';
import {
  type BindingSpec,
  bindingName,
  type ExchangeSpec,
  type QueueSpec,
} from '../../core/topology/model.js';
import { onScratchChannel } from './channels.js';
import { declareBinding, declareExchange, declareQueue } from './declare.js';
import type { Wire } from './wire.js';

export interface VolatileTopology {
  remember(topology: Topology): void;
  forget(queues: readonly string[], exchanges: readonly string[]): void;
  isEmpty(): boolean;
  /** Rejects only when the connection went meanwhile. */
  restore(wire: Wire): Promise<void>;
}

export function rememberVolatile(): VolatileTopology {
  const exchanges = new Map<string, ExchangeSpec>();
  const queues = new Map<string, QueueSpec>();
  const bindings = new Map<string, BindingSpec>();
  return {
    remember(topology) {
      for (const spec of topology.exchanges)
        if (!spec.durable || spec.autoDelete) exchanges.set(spec.name, spec);
      for (const spec of topology.queues) {
        if (!spec.durable || spec.autoDelete || spec.exclusive) queues.set(spec.name, spec);
      }
      for (const spec of topology.bindings) {
        if (exchanges.has(spec.exchange) || queues.has(spec.queue)) bindings.set(bindingName(spec), spec);
      }
    },
    forget(queueNames, exchangeNames) {
      for (const name of queueNames) queues.delete(name);
      for (const name of exchangeNames) exchanges.delete(name);
      for (const [name, spec] of bindings) {
        if (queueNames.includes(spec.queue) || exchangeNames.includes(spec.exchange)) bindings.delete(name);
      }
    },
    isEmpty: () => exchanges.size === 0 && queues.size === 0,
    async restore(wire) {
      for (const spec of exchanges.values()) await attempt(wire, (channel) => declareExchange(channel, spec));
      for (const spec of queues.values()) await attempt(wire, (channel) => declareQueue(channel, spec));
      for (const spec of bindings.values()) await attempt(wire, (channel) => declareBinding(channel, spec));
    },
  };
}

/** A refusal (someone else declared the name meanwhile) is for the consumer of that queue to report. */
async function attempt(wire: Wire, operation: Parameters<typeof onScratchChannel<void>>[1]): Promise<void> {
  try {
    await onScratchChannel(wire, operation);
  } catch (error) {
    if (wire.closed) throw error;
  }
}
