/** A consumer of one queue. */
import type { ConsumeMessage } from 'amqplib';
import { callOut } from '../../core/consuming/call-out.js';
import { EventsError } from '../../core/errors.js';
import type { ConsumeOptions, Delivery, Subscription, TransportNotice } from '../../core/transport.js';
import { AmqpDelivery } from './delivery.js';
import { openSubscription, type ReopeningOptions } from './reopening.js';
import { Settling } from './settling.js';

type Context = Pick<ReopeningOptions, 'link' | 'address' | 'missingBudgetMs' | 'now'> & {
  readonly notice: (notice: TransportNotice) => void;
};

const DEFAULT_PREFETCH = 100;

export function openConsumer(
  queue: string,
  options: ConsumeOptions,
  onDelivery: (delivery: Delivery) => void,
  { notice, ...context }: Context,
): Promise<Subscription> {
  const prefetch = options.prefetch ?? DEFAULT_PREFETCH;
  if (!Number.isInteger(prefetch) || prefetch < 1 || prefetch > 65_535) {
    return Promise.reject(new EventsError('usage', `prefetch must be 1 to 65535, not ${prefetch}`));
  }
  return openSubscription({
    ...context,
    onLost(cause, connection) {
      if (!connection) notice({ kind: 'consumer-lost', queue, cause });
    },
    async open(wire, channel, lost) {
      const settling = new Settling(wire, channel);
      await channel.prefetch(prefetch);
      const { consumerTag } = await channel.consume(queue, (message: ConsumeMessage | null) => {
        if (message === null) {
          lost('cancelled by the broker');
          return;
        }
        settling.delivered(message.fields.deliveryTag);
        // An exception inside amqplib's frame loop would close the channel.
        callOut(() => onDelivery(new AmqpDelivery(message, settling)));
      });
      return { channel, settling, consumerTags: [consumerTag] };
    },
  });
}
