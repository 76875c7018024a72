/**
 * Which of these queues are dead-letter queues, told from names, arguments and bindings alone. A queue is one
 * - where the dead letters of another lead to, by its dead-letter exchange and key. But not for a queue that only
 *   delays: with `x-message-ttl` it gives its messages back to a work queue. And not when it is such a waiting room
 *   itself, which gives the messages back to the queue that they came from;
 * - or that has a name like `orders_dlq`, `orders.dead-letters`;
 * - and that stays: taps and locks have such names and places, too, and go with their connections.
 */
import type { QueueSpec } from '../core/topology/model.js';
import { wordsOf } from '../core/topology/routing-key.js';
import { reachedBy, type Wiring } from './routes.js';

export type QueueWiring = Pick<Wiring, 'exchanges' | 'bindings'> & { readonly queues: readonly QueueSpec[] };

const LIKE_ONE = /(^|[._-])(dlq|dead[._-]?letters?)$/i;

/** Their names, in the order of the queues. */
export function deadLetterQueuesIn(wiring: QueueWiring): string[] {
  const targets = new Map(wiring.queues.map((queue) => [queue.name, deadLetterTargets(queue, wiring)]));
  const delaying = new Set(
    wiring.queues.filter((queue) => queue.arguments['x-message-ttl'] !== undefined).map(({ name }) => name),
  );
  const leadsBack = (from: string, target: string) =>
    delaying.has(target) && (targets.get(target)?.includes(from) ?? false);
  const reached = new Set(
    [...targets]
      .filter(([name]) => !delaying.has(name))
      .flatMap(([name, all]) => all.filter((target) => target !== name && !leadsBack(name, target))),
  );
  return wiring.queues
    .filter(({ exclusive, autoDelete }) => !exclusive && !autoDelete)
    .filter(({ name }) => reached.has(name) || LIKE_ONE.test(name))
    .map(({ name }) => name);
}

/** Where the dead letters of a queue lead to. */
export function deadLetterTargets(queue: QueueSpec, wiring: QueueWiring): readonly string[] {
  const exchange = queue.arguments['x-dead-letter-exchange'];
  const routingKey = queue.arguments['x-dead-letter-routing-key'];
  if (typeof exchange !== 'string') return [];
  if (typeof routingKey === 'string') {
    const reached = reachedBy({ exchange, routingKey }, wiring);
    if (reached.state === 'queues') return reached.queues;
    return boundTo(exchange, wiring).map((binding) => binding.queue);
  }
  // They keep the key they came with: whatever this queue is bound for, or its own name.
  const keys = [queue.name, ...keysInto(queue.name, wiring)];
  if (exchange === '') {
    return wiring.queues.map(({ name }) => name).filter((name) => keys.includes(name));
  }
  const type = typeOf(exchange, wiring);
  return boundTo(exchange, wiring)
    .filter(
      (binding) =>
        (type !== 'topic' && type !== 'direct') ||
        keys.some((key) => overlap(wordsOf(key), wordsOf(binding.key))),
    )
    .map((binding) => binding.queue);
}

/** Patterns of the keys that a queue gets messages with. */
function keysInto(queue: string, wiring: QueueWiring): string[] {
  return wiring.bindings
    .filter((binding) => binding.queue === queue)
    .map(({ exchange, key }) => (/^(topic|direct)$/.test(typeOf(exchange, wiring) ?? '') ? key : '#'));
}

function boundTo(exchange: string, wiring: QueueWiring) {
  return wiring.bindings.filter((binding) => binding.exchange === exchange);
}

function typeOf(exchange: string, wiring: QueueWiring): string | undefined {
  return wiring.exchanges.find(({ name }) => name === exchange)?.type;
}

/**
 * Whether there is a key that both topic patterns match. Row by row instead of by trying: every way to split the key
 * among several `#` would be too many.
 */
function overlap(a: readonly string[], b: readonly string[]): boolean {
  // row[j]: the words of `a` so far and the first j words of `b` can match one key.
  let row = [true];
  for (const word of b) row.push(word === '#' && row.at(-1) === true);
  for (const mine of a) {
    const next = [mine === '#' && row[0] === true];
    for (const [j, word] of b.entries()) {
      const grows = row[j + 1] === true || next[j] === true;
      const agree = mine === word || mine === '*' || word === '*';
      next.push(mine === '#' || word === '#' ? grows : agree && row[j] === true);
    }
    row = next;
  }
  return row.at(-1) === true;
}
