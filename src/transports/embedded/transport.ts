/**
 * The transport contract on a broker file. What publishing does not need is imported when it is needed: one
 * `publish` is over in less time than those modules take to load.
 */

import { resolve } from 'node:path';
import { callOut } from '../../core/consuming/call-out.js';
import { EventsError, exchangeMissing, queueMissing } from '../../core/errors.js';
import type { OutgoingMessage, ReceivedMessage } from '../../core/message.js';
import type { Topology } from '../../core/topology/model.js';
import type { TopologyObservation } from '../../core/topology/observe.js';
import type {
  BrowseOptions,
  ConsumeOptions,
  Delivery,
  QueueCounts,
  QueueSubscription,
  Subscription,
  Survey,
  TapHandlers,
  TapOptions,
  Transport,
  TransportFeatures,
  TransportOptions,
} from '../../core/transport.js';
import { type Bell, openBell } from './bell.js';
import { Broker } from './broker.js';
import { Publisher } from './publisher.js';
import type { Readers } from './readers.js';
import { Reaper } from './reaper.js';
import type { Session } from './sessions.js';

export class EmbeddedTransport implements Transport {
  readonly scheme = 'embedded';
  readonly address: string;
  readonly #options: TransportOptions;
  readonly #broker: Broker;
  readonly #reaper: Reaper;
  readonly #publisher: Publisher;
  readonly #bell: Bell;
  #readers: Promise<Readers> | undefined;
  #session: Promise<Session> | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    path: string,
    readonly features: TransportFeatures,
    options: TransportOptions,
  ) {
    this.address = `embedded:${path}`;
    this.#options = options;
    this.#broker = new Broker(path, {
      openTimeoutMs: options.startTimeoutMs ?? 10_000,
      lockTimeoutMs: options.reconnectTimeoutMs ?? 30_000,
      now: options.now ?? Date.now,
    });
    this.#reaper = new Reaper(this.#broker, () => this.#ownSession());
    this.#publisher = new Publisher(this.#broker, this.#reaper, {
      messages: options.maxInFlight ?? 1_000,
      bytes: options.maxInFlightBytes ?? 64 * 1024 * 1024,
    });
    this.#bell = openBell(path);
    this.#broker.onNews(() => this.#bell.ring());
  }

  async open(): Promise<void> {
    this.#assertOpen();
    await this.#broker.open();
  }

  identity(): Promise<string> {
    return Promise.resolve(`embedded:${resolve(this.address.slice('embedded:'.length))}`);
  }

  async inspect(topology: Topology): Promise<TopologyObservation> {
    this.#assertOpen();
    const { observe, observeNothing } = await import('./topology.js');
    if (!this.#broker.exists()) return observeNothing(topology);
    await this.#reaper.round(0);
    return this.#broker.read((_, catalog) => observe(topology, catalog));
  }

  async survey(): Promise<Survey> {
    this.#assertOpen();
    const { survey } = await import('./survey.js');
    return survey(this.#broker, this.#reaper);
  }

  async apply(topology: Topology): Promise<void> {
    this.#assertOpen();
    const { checkTopology, declare } = await import('./topology.js');
    checkTopology(topology);
    const exclusive = topology.queues.some((queue) => queue.exclusive);
    const session = exclusive ? (await this.#signedIn()).id : await this.#ownSession();
    await this.#reaper.round(0);
    await this.#broker.write(true, (turn) => declare(turn, topology, session));
  }

  async remove({
    queues = [],
    exchanges = [],
  }: {
    queues?: readonly string[];
    exchanges?: readonly string[];
  }): Promise<void> {
    this.#assertOpen();
    if (!this.#broker.exists()) return;
    const { remove } = await import('./topology.js');
    await this.#reaper.round(0);
    const session = await this.#ownSession();
    await this.#broker.write(true, (turn) => remove(turn, queues, exchanges, session));
  }

  publish(message: OutgoingMessage): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closed(this.address));
    return this.#publisher.publish(message);
  }

  async consume(
    queue: string,
    options: ConsumeOptions,
    onDelivery: (delivery: Delivery) => void,
  ): Promise<QueueSubscription> {
    this.#assertOpen();
    const { checkConsume } = await import('./readers.js');
    checkConsume(options);
    if (!this.#broker.exists()) throw queueMissing(queue);
    const { readers, session } = await this.#reading();
    return readers.consume(session, queue, options, onDelivery);
  }

  async tap(options: TapOptions, handlers: TapHandlers): Promise<Subscription> {
    this.#assertOpen();
    const { checkTap } = await import('./readers.js');
    checkTap(options);
    if (!this.#broker.exists()) assertPredeclared(options);
    const { readers, session } = await this.#reading();
    return readers.tap(session, options, handlers);
  }

  async *browse(name: string, { limit = Infinity }: BrowseOptions = {}): AsyncGenerator<ReceivedMessage> {
    this.#assertOpen();
    const { browse } = await import('./browse.js');
    yield* browse(this.#broker, this.#reaper, name, limit, await this.#ownSession());
  }

  async counts(name: string): Promise<QueueCounts | undefined> {
    this.#assertOpen();
    const { counts } = await import('./browse.js');
    return counts(this.#broker, this.#reaper, name);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.#publisher.drained();
      await (await this.#readers)?.close();
      await (await this.#session)?.close();
    } finally {
      this.#bell.close();
      await this.#broker.close();
    }
  }

  async #reading(): Promise<{ readers: Readers; session: number }> {
    const session = await this.#signedIn();
    await this.#reaper.round(0);
    this.#assertOpen();
    this.#readers ??= import('./readers.js').then(
      ({ Readers }) =>
        new Readers({
          broker: this.#broker,
          bell: this.#bell,
          reaper: this.#reaper,
          assertOpen: () => this.#assertOpen(),
          onNotice: (notice) => callOut(() => this.#options.onNotice?.(notice)),
        }),
    );
    return { readers: await this.#readers, session: session.id };
  }

  /** This transport's session, opened when something first needs one: publishing does not. */
  async #signedIn(): Promise<Session> {
    // Checked again here: what begins after closing began would never be ended.
    this.#assertOpen();
    if (this.#session === undefined) {
      const token = `${process.pid}-${globalThis.crypto.randomUUID()}`;
      this.#session = import('./sessions.js').then(({ openSession }) => openSession(this.#broker, token));
      // A failure is the caller's to see; the next one tries anew.
      this.#session.catch(() => {
        this.#session = undefined;
      });
    }
    return this.#session;
  }

  async #ownSession(): Promise<number | undefined> {
    return (await this.#session)?.id;
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw closed(this.address);
  }
}

/** All that a new file would have are the exchanges of RabbitMQ, whose names nobody else may declare. */
function assertPredeclared({ bindings }: TapOptions): void {
  const missing = bindings.find(({ exchange }) => !exchange.startsWith('amq.'));
  if (missing !== undefined) throw exchangeMissing(missing.exchange);
}

function closed(address: string): EventsError {
  return new EventsError('closed', `the transport ${address} is closed`);
}
