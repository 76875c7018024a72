/**
 * Where a consumer's dead letters go: where the broker itself would have sent them.
 *
 * | known | exchange | routing key |
 * |---|---|---|
 * | the option `deadLetter` | its exchange | its routing key |
 * | the topology gives the queue an `x-dead-letter-exchange` | that | `x-dead-letter-routing-key`, else the message's own |
 * | neither | the default exchange | `<queue>_dlq`, a queue that the consumer declares when there is none |
 */
import { type QueueSpec, queue as queueSpec, type Topology } from '../topology/model.js';

export interface DeadLetterOptions {
  /** '' is the default exchange, which routes to the queue named by the routing key. */
  readonly exchange: string;
  /** Default: the routing key that the message was first published with. */
  readonly routingKey?: string;
}

export interface DeadLetterRoute {
  readonly exchange: string;
  /** Undefined: the message's own. */
  readonly routingKey: string | undefined;
  /** A queue to declare when it does not exist, since nobody else does. */
  readonly own: QueueSpec | undefined;
}

export function deadLetterRoute(
  queue: string,
  topology: Topology,
  option: DeadLetterOptions | undefined,
): DeadLetterRoute {
  if (option !== undefined) {
    return { exchange: option.exchange, routingKey: option.routingKey, own: undefined };
  }
  const declared = topology.queues.find(({ name }) => name === queue)?.arguments ?? {};
  const exchange = declared['x-dead-letter-exchange'];
  const routingKey = declared['x-dead-letter-routing-key'];
  if (typeof exchange === 'string') {
    return { exchange, routingKey: typeof routingKey === 'string' ? routingKey : undefined, own: undefined };
  }
  return { exchange: '', routingKey: `${queue}_dlq`, own: queueSpec(`${queue}_dlq`) };
}
