import type { Catalog } from '../events/catalog.js';
import type { BindingSpec, Topology } from './model.js';
import { matchesBindingKey } from './routing-key.js';

/**
 * Bindings by which a tap sees every message on these exchanges whose routing key matches a pattern. A
 * direct exchange knows no patterns: there each pattern stands for the keys that the topology and the
 * catalog name, and for itself. A fanout exchange needs one binding. Unknown exchanges are taken as topic.
 */
export function tapBindings(
  exchanges: readonly string[],
  patterns: readonly string[],
  topology: Topology,
  catalog: Catalog,
): Omit<BindingSpec, 'queue'>[] {
  return exchanges.flatMap((exchange) => {
    const type = topology.exchanges.find(({ name }) => name === exchange)?.type ?? 'topic';
    if (type === 'fanout') return [{ exchange, key: '' }];
    if (type === 'topic') return patterns.map((key) => ({ exchange, key }));
    const known = [
      ...topology.bindings.filter((binding) => binding.exchange === exchange).map(({ key }) => key),
      ...catalog.definitions
        .filter((event) => event.exchange === exchange)
        .map(({ routingKey }) => routingKey),
    ];
    const keys = patterns.flatMap((pattern) => [
      pattern,
      ...known.filter((key) => matchesBindingKey(pattern, key)),
    ]);
    return [...new Set(keys)].map((key) => ({ exchange, key }));
  });
}
