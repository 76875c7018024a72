/** Which queues a message would reach, as the bindings tell it. Looks at data only. */
import type { Topology } from '../core/topology/model.js';
import { matchesBindingKey } from '../core/topology/routing-key.js';

/** What a message is published with. '' is the default exchange. */
export interface Address {
  readonly exchange: string;
  readonly routingKey: string;
}

/**
 * - `queues`: these would get it; none of them: it would be refused as unroutable.
 * - `exchange-missing`: there is no such exchange.
 * - `unknown`: an exchange of a type whose routing is not known here (headers, say).
 */
export type Reached =
  | { readonly state: 'queues'; readonly queues: readonly string[] }
  | { readonly state: 'exchange-missing' }
  | { readonly state: 'unknown'; readonly type: string };

/** What is known of a broker: its survey, or the declared topology. */
export type Wiring = Pick<Topology, 'bindings'> & {
  readonly exchanges: readonly { readonly name: string; readonly type: string }[];
  readonly queues: readonly { readonly name: string }[];
};

/** The queues that a message with this address would be put into, each once, sorted. */
export function reachedBy({ exchange, routingKey }: Address, wiring: Wiring): Reached {
  // The default exchange routes to the queue of that name, and has no bindings of its own.
  if (exchange === '') {
    const found = wiring.queues.some(({ name }) => name === routingKey);
    return { state: 'queues', queues: found ? [routingKey] : [] };
  }
  const type = wiring.exchanges.find(({ name }) => name === exchange)?.type;
  if (type === undefined) return { state: 'exchange-missing' };
  const matches = MATCHERS[type];
  if (matches === undefined) return { state: 'unknown', type };
  const queues = wiring.bindings
    .filter((binding) => binding.exchange === exchange && matches(binding.key, routingKey))
    .map(({ queue }) => queue);
  return { state: 'queues', queues: [...new Set(queues)].toSorted() };
}

const MATCHERS: { readonly [type: string]: (bindingKey: string, routingKey: string) => boolean } = {
  topic: matchesBindingKey,
  direct: (bindingKey, routingKey) => bindingKey === routingKey,
  fanout: () => true,
};
