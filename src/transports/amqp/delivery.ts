import type { Message } from 'amqplib';
import { EventsError } from '../../core/errors.js';
import type { ReceivedMessage } from '../../core/message.js';
import type { Delivery, Settlement } from '../../core/transport.js';
import type { Settling } from './settling.js';

/** One per delivery, 40,000 a second: kept to five fields, and the message is converted when first read. */
export class AmqpDelivery implements Delivery {
  private settled = false;
  private converted: ReceivedMessage | undefined;

  constructor(
    private readonly raw: Message,
    private readonly settling: Settling,
    /** `receivedMessage` or `exactMessage`, as the channel reads headers. */
    private readonly convert: (raw: Message) => ReceivedMessage,
  ) {}

  get message(): ReceivedMessage {
    this.converted ??= this.convert(this.raw);
    return this.converted;
  }

  ack(): Promise<Settlement> {
    this.once();
    return this.settling.ack(this.raw.fields.deliveryTag);
  }

  requeue(): Promise<Settlement> {
    this.once();
    return this.settling.requeue(this.raw.fields.deliveryTag);
  }

  reject(): Promise<Settlement> {
    this.once();
    return this.settling.reject(this.raw.fields.deliveryTag);
  }

  private once(): void {
    if (this.settled) {
      throw new EventsError('usage', 'this delivery is settled already', {
        hint: 'Call ack, requeue or reject once per delivery.',
      });
    }
    this.settled = true;
  }
}
