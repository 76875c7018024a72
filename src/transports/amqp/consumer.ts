/** A consumer of one queue. */
import type { ConsumeMessage } from 'amqplib';
import { callOut } from '../../core/consuming/call-out.js';
import { EventsError } from '../../core/errors.js';
import type { ConsumeOptions, Delivery, QueueSubscription, TransportNotice } from '../../core/transport.js';
import { AmqpDelivery } from './delivery.js';
import { exactMessage, receivedMessage } from './messages.js';
import { openSubscription, type ReopeningOptions } from './reopening.js';

type Context = Omit<ReopeningOptions, 'open' | 'onLost'> & {
  readonly notice: (notice: TransportNotice) => void;
};

const DEFAULT_PREFETCH = 100;

export async function openConsumer(
  queue: string,
  { prefetch = DEFAULT_PREFETCH, exactHeaders = false, onLost = () => {} }: ConsumeOptions,
  onDelivery: (delivery: Delivery) => void,
  { notice, ...context }: Context,
): Promise<QueueSubscription> {
  if (!Number.isInteger(prefetch) || prefetch < 1 || prefetch > 65_535) {
    throw new EventsError('usage', `prefetch must be 1 to 65535, not ${prefetch}`);
  }
  const convert = exactHeaders ? exactMessage : receivedMessage;
  const subscription = await openSubscription({
    ...context,
    onLost({ cause, connection, reopening }) {
      callOut(onLost);
      if (reopening && !connection) notice({ kind: 'consumer-lost', queue, cause });
    },
    async open({ wire, channel, settling, lost }) {
      if (exactHeaders) wire.typeHeaders(channel);
      await channel.prefetch(prefetch);
      const { consumerTag } = await channel.consume(queue, (message: ConsumeMessage | null) => {
        if (message === null) {
          lost('cancelled by the broker');
          return;
        }
        settling.delivered(message.fields.deliveryTag);
        // An exception inside amqplib's frame loop would close the channel.
        callOut(() => onDelivery(new AmqpDelivery(message, settling, convert)));
      });
      return [consumerTag];
    },
  });
  return {
    ended: subscription.ended,
    stop: () => subscription.stop(),
    close: () => subscription.close(),
    // The same prefetch again changes nothing, for consumers that are there and for those to come.
    synchronise: () => subscription.synchronise((channel) => channel.prefetch(prefetch)),
  };
}
