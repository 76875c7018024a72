import type { Message } from 'amqplib';
import { EventsError } from '../../core/errors.js';
import type { ReceivedMessage } from '../../core/message.js';
import type { Delivery, Settlement } from '../../core/transport.js';
import { receivedMessage } from './messages.js';
import type { Settling } from './settling.js';

/** One per delivery, 40,000 a second: kept to four fields, and the message is converted when first read. */
export class AmqpDelivery implements Delivery {
  private settled = false;
  private converted: ReceivedMessage | undefined;

  constructor(
    private readonly raw: Message,
    private readonly settling: Settling,
  ) {}

  get message(): ReceivedMessage {
    this.converted ??= receivedMessage(this.raw);
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
