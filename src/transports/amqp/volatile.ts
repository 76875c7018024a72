/**
 * What `apply` declared that does not outlive a broker or a connection: not durable, exclusive or
 * auto-deleted, and the bindings of those. Declared again on each new connection.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Channel } from 'amqplib';
import type { Topology } from '../../core/topology/model.js';
import {
  type BindingSpec,
  bindingName,
  type ExchangeSpec,
  type QueueSpec,
} from '../../core/topology/model.js';
import type { TransportNotice } from '../../core/transport.js';
import { onScratchChannel } from './channels.js';
import { declareBinding, declareExchange, declareQueue } from './declare.js';
import { replyCode, replyText } from './failures.js';
import type { Wire } from './wire.js';

export interface VolatileTopology {
  remember(topology: Topology): void;
  forget(queues: readonly string[], exchanges: readonly string[]): void;
  isEmpty(): boolean;
  /** Rejects only when the connection went meanwhile. What the broker refuses is told by a notice. */
  restore(wire: Wire): Promise<void>;
}

export interface VolatileOptions {
  /**
   * How long a locked queue is asked for again, in milliseconds. Its owner may be our own lost connection, whose end
   * the broker notices last when the line went silently.
   */
  readonly lockedBudgetMs: number;
  readonly notice: (notice: TransportNotice) => void;
  readonly now: () => number;
}

const RESOURCE_LOCKED = 405;
const AGAIN_FIRST_MS = 50;
const AGAIN_LAST_MS = 1_000;

export function rememberVolatile({ lockedBudgetMs, notice, now }: VolatileOptions): VolatileTopology {
  const exchanges = new Map<string, ExchangeSpec>();
  const queues = new Map<string, QueueSpec>();
  const bindings = new Map<string, BindingSpec>();

  function tell(entity: string, refusal: unknown): void {
    notice({ kind: 'not-restored', entity, cause: replyText(refusal) });
  }

  async function restoreExchange(wire: Wire, spec: ExchangeSpec): Promise<void> {
    const refusal = await refusalOf(wire, (channel) => declareExchange(channel, spec));
    if (refusal !== undefined) tell(`exchange "${spec.name}"`, refusal);
  }

  async function restoreQueue(wire: Wire, spec: QueueSpec): Promise<void> {
    const refusal = await refusalOf(wire, (channel) => declareQueue(channel, spec));
    if (refusal === undefined) return;
    if (replyCode(refusal) === RESOURCE_LOCKED) void claimBack(wire, spec, refusal);
    else tell(`queue "${spec.name}"`, refusal);
  }

  /** Neither consumers nor publishers wait for this: what they do with the queue fails until it is there. */
  async function claimBack(wire: Wire, spec: QueueSpec, refused: unknown): Promise<void> {
    const deadline = now() + lockedBudgetMs;
    let refusal: unknown = refused;
    try {
      for (let attempt = 0; now() < deadline; attempt++) {
        const wait = Math.min(AGAIN_LAST_MS, AGAIN_FIRST_MS * 2 ** Math.min(attempt, 10));
        await delay(wait, undefined, { ref: false });
        // On the next connection it is restored anew; and it may have been removed, or declared anew, meanwhile.
        if (wire.closed || queues.get(spec.name) !== spec) return;
        refusal = await refusalOf(wire, (channel) => declareQueue(channel, spec));
        if (refusal === undefined) {
          for (const binding of bindings.values()) {
            if (binding.queue === spec.name) await restoreBinding(wire, binding);
          }
          return;
        }
        if (replyCode(refusal) !== RESOURCE_LOCKED) break;
      }
      tell(`queue "${spec.name}"`, refusal);
    } catch (error) {
      if (!wire.closed) tell(`queue "${spec.name}"`, error);
    }
  }

  /** A refusal means that its queue or exchange is missing, which has been told or is being waited for. */
  async function restoreBinding(wire: Wire, spec: BindingSpec): Promise<void> {
    await refusalOf(wire, (channel) => declareBinding(channel, spec));
  }

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
      for (const spec of exchanges.values()) await restoreExchange(wire, spec);
      for (const spec of queues.values()) await restoreQueue(wire, spec);
      for (const spec of bindings.values()) await restoreBinding(wire, spec);
    },
  };
}

/** What the broker answers instead of yes. Rejects when the connection went. */
async function refusalOf(wire: Wire, operation: (channel: Channel) => Promise<void>): Promise<unknown> {
  try {
    await onScratchChannel(wire, operation);
    return undefined;
  } catch (error) {
    if (wire.closed) throw error;
    return error;
  }
}
