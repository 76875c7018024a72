/**
 * Publishing with confirms: one queue of waiting messages, one channel, a window of those in flight.
 * States and what a crash leaves behind: docs/rabbitmq.md.
 */
import type { ConfirmChannel } from 'amqplib';
import { EventsError, exchangeMissing, isEventsError, messageOf, unroutable } from '../../core/errors.js';
import type { OutgoingMessage } from '../../core/message.js';
import { within } from '../../core/within.js';
import { type AmqpAddress, redact, whereIs } from './address.js';
import { onScratchChannel } from './channels.js';
import { judge } from './culprit.js';
import { channelFailure, closedError, replyCode } from './failures.js';
import type { Link } from './link.js';
import type { Outbox } from './outbox.js';
import { refusal } from './refusal.js';
import { type Entry, Window } from './window.js';
import type { Wire } from './wire.js';

export interface PublisherOptions {
  readonly link: Link;
  readonly address: AmqpAddress;
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  /** Resolves when what this transport declared without durability is there again after a reconnect. */
  readonly topologyRestored: () => Promise<void>;
}

interface Session {
  readonly wire: Wire;
  readonly outbox: Outbox;
  readonly window: Window;
}

export class Publisher {
  private waiting: Entry[] = [];
  /** Index of the first waiting entry: shifting an array of thousands would cost more. */
  private head = 0;
  private session: Session | undefined;
  /** Something asynchronous (a channel, an exchange check) is under way, and pumps again when done. */
  private preparing = false;
  private closing = false;
  private readonly exchanges = new Set<string>(['']);
  private idle: (() => void)[] = [];

  constructor(private readonly options: PublisherOptions) {}

  publish(message: OutgoingMessage): Promise<void> {
    if (this.closing) return Promise.reject(closedError());
    const refused = refusal(message, this.options.address.user);
    if (refused !== undefined) return Promise.reject(refused);
    return new Promise((resolve, reject) => {
      const entry: Entry = { message, resolve, reject, returned: false };
      // Past the queue when nobody waits: an array that grows and empties again costs more than the rest of this.
      const session = this.head < this.waiting.length ? undefined : this.readyFor(entry);
      if (session !== undefined) {
        this.send(session, entry);
        return;
      }
      this.waiting.push(entry);
      this.pump();
    });
  }

  /** To be called when exchanges may have gone: the next publish to each looks again. */
  forgetExchanges(): void {
    this.exchanges.clear();
    this.exchanges.add('');
  }

  /** Takes no more, waits up to `limitMs` for what is in flight or waiting, then gives it up truthfully. */
  async close(limitMs: number): Promise<void> {
    this.closing = true;
    if (!this.isIdle()) await within(limitMs, new Promise<void>((resolve) => this.idle.push(resolve)));
    const session = this.session;
    this.session = undefined;
    for (const entry of session?.window.drain() ?? []) entry.reject(this.unknown('the transport was closed'));
    for (const entry of this.takeWaiting()) entry.reject(closedError());
  }

  /** Sends as much as the window and what is known about exchanges allow. */
  private pump(): void {
    while (this.head < this.waiting.length) {
      const entry = this.waiting[this.head];
      if (entry === undefined) return;
      const session = this.readyFor(entry);
      if (session === undefined) {
        this.prepareFor(entry);
        return;
      }
      this.shift();
      this.send(session, entry);
    }
    this.settleIdle();
  }

  /** The session to send it on, or undefined when something is missing. */
  private readyFor(entry: Entry): Session | undefined {
    const session = this.session;
    if (session === undefined || this.preparing || !this.hasRoom(session.window, entry)) return undefined;
    return this.exchanges.has(entry.message.exchange) ? session : undefined;
  }

  /** Sees to what is missing for it; a window without room is made room in by confirms. */
  private prepareFor(entry: Entry): void {
    const session = this.session;
    if (this.preparing) return;
    if (session === undefined) void this.prepare((count) => this.openSession(count));
    else if (this.hasRoom(session.window, entry)) {
      void this.prepare(() => this.checkExchange(session.wire, entry.message.exchange));
    }
  }

  private send(session: Session, entry: Entry): void {
    try {
      session.outbox.publish(entry.message);
    } catch (error) {
      // amqplib encodes before it writes, so a message that cannot be encoded leaves no trace.
      entry.reject(
        session.wire.closed
          ? this.unknown('the connection went')
          : new EventsError('publish-refused', `The message cannot be sent: ${messageOf(error)}`, {
              cause: error,
            }),
      );
      return;
    }
    session.window.add(entry);
  }

  /** A message larger than the whole window goes alone. */
  private hasRoom(window: Window, entry: Entry): boolean {
    if (window.size === 0) return true;
    const { maxInFlight, maxInFlightBytes } = this.options;
    return window.size < maxInFlight && window.bytes + entry.message.body.length <= maxInFlightBytes;
  }

  private async prepare(step: (waitingNow: number) => Promise<void>): Promise<void> {
    this.preparing = true;
    try {
      await step(this.waiting.length - this.head);
    } finally {
      this.preparing = false;
    }
    this.pump();
  }

  private async openSession(waitingNow: number): Promise<void> {
    const { link, address } = this.options;
    let wire: Wire | undefined;
    try {
      wire = await link.use();
      await this.options.topologyRestored();
      const channel = await wire.model.createConfirmChannel();
      // Closed in the same turn, it has told its end already: the next connection is waited for.
      if (!wire.closed) this.session = this.supervise(wire, channel);
    } catch (error) {
      if (link.isClosed) {
        for (const entry of this.takeWaiting()) entry.reject(closedError());
        return;
      }
      // The connection went between its opening and the channel's: that is no reason to fail anyone.
      // (The link may learn of it a moment after the channel.)
      if (!isEventsError(error) && (link.current === undefined || wire?.closed)) return;
      const failure = channelFailure(error, address);
      for (const entry of this.waiting.slice(this.head, this.head + waitingNow)) entry.reject(failure);
      this.head += waitingNow;
      this.compact();
    }
  }

  private supervise(wire: Wire, channel: ConfirmChannel): Session {
    const session: Session = { wire, outbox: wire.openOutbox(channel), window: new Window() };
    let cause: Error | undefined;
    // amqplib's own bookkeeping of confirms, which is not used here; see wire.ts.
    channel.removeAllListeners('ack');
    channel.removeAllListeners('nack');
    channel.on('ack', ({ deliveryTag, multiple }) => {
      for (const entry of session.window.take(deliveryTag, multiple)) confirm(entry);
      this.pump();
    });
    channel.on('nack', ({ deliveryTag, multiple }) => {
      for (const entry of session.window.take(deliveryTag, multiple)) entry.reject(nacked(entry));
      this.pump();
    });
    channel.on('return', (message) => session.window.markReturned(message));
    channel.on('error', (error) => {
      cause = error;
    });
    channel.on('close', () => this.sessionEnded(session, cause));
    return session;
  }

  private sessionEnded(session: Session, cause: Error | undefined): void {
    if (this.session === session) this.session = undefined;
    this.forgetExchanges();
    const { refused, unknown, untouched } = judge(session.window.drain(), cause);
    for (const [entry, error] of refused) entry.reject(error);
    for (const entry of unknown) entry.reject(this.unknown(cause?.message ?? 'the connection went'));
    if (untouched.length > 0) {
      this.waiting = [...untouched, ...this.waiting.slice(this.head)];
      this.head = 0;
    }
    this.pump();
  }

  /** Asks on another channel, because a publish to a missing exchange would end the one that all share. */
  private async checkExchange(wire: Wire, exchange: string): Promise<void> {
    try {
      await onScratchChannel(wire, (channel) => channel.checkExchange(exchange));
      this.exchanges.add(exchange);
    } catch (error) {
      // With the connection gone, the channel's end is on its way and this entry waits for the next one.
      if (wire.closed) return;
      const failure =
        replyCode(error) === 404 ? exchangeMissing(exchange) : channelFailure(error, this.options.address);
      const entry = this.waiting[this.head];
      if (entry?.message.exchange !== exchange) return;
      this.shift();
      entry.reject(failure);
    }
  }

  private unknown(why: string): EventsError {
    const { address } = this.options;
    return new EventsError(
      'publish-unknown',
      `The message was sent to ${whereIs(address)} but its confirm did not come: ${redact(why, address)}`,
      { hint: 'It may or may not have arrived. Publishing it again may deliver it twice.' },
    );
  }

  private shift(): void {
    this.head++;
    this.compact();
  }

  private compact(): void {
    if (this.head < this.waiting.length && this.head < 4_096) return;
    this.waiting = this.waiting.slice(this.head);
    this.head = 0;
  }

  private takeWaiting(): Entry[] {
    const rest = this.waiting.slice(this.head);
    this.waiting = [];
    this.head = 0;
    return rest;
  }

  private isIdle(): boolean {
    return this.head >= this.waiting.length && (this.session?.window.size ?? 0) === 0;
  }

  private settleIdle(): void {
    if (this.idle.length === 0 || !this.isIdle()) return;
    for (const resolve of this.idle) resolve();
    this.idle = [];
  }
}

function confirm(entry: Entry): void {
  if (!entry.returned) entry.resolve();
  else entry.reject(unroutable(entry.message.exchange, entry.message.routingKey));
}

function nacked(entry: Entry): EventsError {
  const { exchange, routingKey } = entry.message;
  return new EventsError(
    'publish-refused',
    `The broker refused the message for "${exchange}" (${routingKey})`,
    {
      hint: 'A bound queue is full (x-overflow reject-publish), or failed. Nothing was stored by that queue.',
    },
  );
}
