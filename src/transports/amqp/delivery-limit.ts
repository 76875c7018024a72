/** After how many deliveries a quorum queue gives a message up. */

/** Of quorum queues that say nothing else, since RabbitMQ 4.0; before there was none. */
const DEFAULT_SINCE_4 = 20;

/**
 * The limit as the broker works it out (rabbit_quorum_queue.erl, `resolve_delivery_limit`): the smaller one of argument and
 * policy, unless one of them is negative (unlimited), which then gives way to the other. Undefined: none, or no quorum queue.
 */
export function deliveryLimitOf(
  queueType: unknown,
  argument: unknown,
  policy: unknown,
  version: string,
): number | undefined {
  if (queueType !== 'quorum') return undefined;
  const given = [argument, policy].filter((limit) => typeof limit === 'number');
  const limit = given.some((each) => each < 0) ? Math.max(...given) : Math.min(...given);
  if (given.length === 0) return /^[0-3]\./.test(version) ? undefined : DEFAULT_SINCE_4;
  return limit < 0 ? undefined : limit;
}
