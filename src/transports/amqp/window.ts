/**
 * Publishes in flight on one channel, by delivery tag. A `basic.return` carries no tag, so it is matched
 * by content; messages that are the same in exchange, routing key, message id and body are routed the
 * same, so it makes no difference which of them is taken for the returned one: each has its own return.
 */
import type { Message } from 'amqplib';
import type { EventsError } from '../../core/errors.js';
import type { OutgoingMessage } from '../../core/message.js';

export interface Entry {
  readonly message: OutgoingMessage;
  resolve(): void;
  reject(error: EventsError): void;
  returned: boolean;
}

export class Window {
  /** Total body bytes in flight. */
  bytes = 0;
  private lastTag = 0;
  /** In order of tags, since Maps keep the order of insertion. */
  private readonly entries = new Map<number, Entry>();

  get size(): number {
    return this.entries.size;
  }

  /** To be called once per message handed to the channel, in that order: the broker counts the same way. */
  add(entry: Entry): void {
    this.entries.set(++this.lastTag, entry);
    this.bytes += entry.message.body.length;
  }

  /** Takes what a confirm covers out of the window. */
  take(tag: number, multiple: boolean): Entry[] {
    if (!multiple) {
      const entry = this.remove(tag);
      return entry === undefined ? [] : [entry];
    }
    const covered: Entry[] = [];
    // Tag 0 with `multiple` means all.
    const last = tag === 0 ? this.lastTag : tag;
    for (const candidate of this.entries.keys()) {
      if (candidate > last) break;
      const entry = this.remove(candidate);
      if (entry !== undefined) covered.push(entry);
    }
    return covered;
  }

  markReturned({ fields, properties, content }: Message): void {
    const messageId: unknown = properties.messageId;
    for (const entry of this.entries.values()) {
      const { message } = entry;
      if (
        !entry.returned &&
        message.mandatory !== false &&
        message.routingKey === fields.routingKey &&
        message.exchange === fields.exchange &&
        message.properties.messageId === messageId &&
        message.body.equals(content)
      ) {
        entry.returned = true;
        return;
      }
    }
  }

  /** Everything, in order; the window is empty afterwards. */
  drain(): Entry[] {
    const all = [...this.entries.values()];
    this.entries.clear();
    this.bytes = 0;
    return all;
  }

  private remove(tag: number): Entry | undefined {
    const entry = this.entries.get(tag);
    if (entry === undefined) return undefined;
    this.entries.delete(tag);
    this.bytes -= entry.message.body.length;
    return entry;
  }
}
