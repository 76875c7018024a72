/** What a shadow run taps: all that leads to the consumers of its mapping, and the dead letters of their queues. */
import type { Catalog } from '../core/events/catalog.js';
import type { BindingSpec, Topology } from '../core/topology/model.js';
import { tapBindings } from '../core/topology/tap-bindings.js';

type Source = Omit<BindingSpec, 'queue'>;

export interface ShadowBindings {
  /** Of the consumers' queues; and of the events of the mapping, should no binding lead them to a consumer. */
  readonly events: readonly Source[];
  /** Of what those queues give up. */
  readonly deadLetters: readonly Source[];
  /**
   * The consumer's queue that gave a message up, by the dead-letter exchange and key under which it comes. Undefined for
   * any other message, null where several queues share the route.
   */
  gaveUp(exchange: string, routingKey: string): string | null | undefined;
  /** Messages of it are dead letters. */
  isDeadLetterExchange(exchange: string): boolean;
  isConsumerQueue(queue: string): boolean;
}

export function shadowBindings(
  legs: readonly { readonly queue: string; readonly eventType: string }[],
  topology: Topology,
  catalog: Catalog,
): ShadowBindings {
  const queues = new Set(legs.map(({ queue }) => queue));
  const types = new Set(legs.map(({ eventType }) => eventType));
  const bound = topology.bindings.filter(({ queue }) => queues.has(queue));
  const published = catalog.definitions
    .filter(({ type }) => types.has(type))
    .flatMap(({ exchange, routingKey }) => tapBindings([exchange], [routingKey], topology, catalog));
  const routes = topology.queues
    .filter(({ name }) => queues.has(name))
    .flatMap(({ name, arguments: args }) => {
      const exchange = args['x-dead-letter-exchange'];
      // The default exchange cannot be tapped.
      if (typeof exchange !== 'string' || exchange === '') return [];
      const own = args['x-dead-letter-routing-key'];
      const keys =
        typeof own === 'string' ? [own] : bound.filter(({ queue }) => queue === name).map(({ key }) => key);
      return keys.map((key) => ({ queue: name, exchange, key }));
    });
  const exchanges = new Set(routes.map(({ exchange }) => exchange));
  return {
    events: distinct([...bound, ...published]),
    deadLetters: distinct(routes).map(({ exchange, key }) => {
      const type = topology.exchanges.find(({ name }) => name === exchange)?.type;
      return { exchange, key: type === 'fanout' ? '' : key };
    }),
    gaveUp(exchange, routingKey) {
      const names = new Set(
        routes
          .filter((each) => each.exchange === exchange && each.key === routingKey)
          .map(({ queue }) => queue),
      );
      const [one] = names;
      return names.size > 1 ? null : one;
    },
    isDeadLetterExchange: (exchange) => exchanges.has(exchange),
    isConsumerQueue: (queue) => queues.has(queue),
  };
}

function distinct(sources: readonly Source[]): Source[] {
  const byName = new Map(sources.map(({ exchange, key }) => [`${exchange}\n${key}`, { exchange, key }]));
  return [...byName.values()];
}
