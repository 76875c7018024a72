/** Composition root for services: the core on the transport of a URL. */
import type { CloseOptions, Consumer } from './core/consuming/consumer.js';
import type { ConsumerOptions } from './core/consuming/consumer-options.js';
import type { Handlers } from './core/consuming/handler.js';
import { seldom } from './core/consuming/seldom.js';
import { startConsumer } from './core/consuming/start-consumer.js';
import { describeTrouble } from './core/consuming/trouble.js';
import { messageOf } from './core/errors.js';
import type { Catalog, EventMap } from './core/events/catalog.js';
import type { CallbackRoute } from './core/migration/callback-route.js';
import { createPublisher, type Publisher, type PublisherOptions } from './core/publishing/publisher.js';
import { EMPTY_TOPOLOGY, type Topology } from './core/topology/model.js';
import type { Transport } from './core/transport.js';
import { describeNotice } from './core/transport-notice.js';
import { type AtmaEvents, atma } from './presets/atma.js';
import type { Environment, Preset, System } from './presets/preset.js';
import { lineForPeople } from './terminal/safe-text.js';
import { type ConnectionOptions, createTransport, DEFAULT_URL } from './transports/index.js';

/** Without `onNotice`, what the transport suffers (a lost line, a blocked broker) is a warning of the process. */
export interface BusOptions extends ConnectionOptions, PublisherOptions {
  /** Default: `RABBITMQ_URL` of the environment, else the embedded broker in `./.atma-events/broker.db`. */
  readonly url?: string;
  /**
   * Connects at the first use, not now. For a service that has to start without its broker: one that publishes through an
   * outbox, say. Default false.
   */
  readonly lazy?: boolean;
  /** Default `process.env`. */
  readonly environment?: Environment;
}

export interface Bus<M extends EventMap> extends Publisher<M> {
  readonly catalog: Catalog<M>;
  readonly topology: Topology;
  readonly transport: Transport;
  /** As given in the options. */
  readonly source: string | undefined;
  /** The callbacks that its events replace, where its preset has any; a dispatcher sends them. */
  readonly callbacks: readonly CallbackRoute[];
  /** Creates what the topology names and the broker lacks; `topology-conflict` when something differs. */
  setup(): Promise<void>;
  /**
   * Starts a consumer of the queue, with handlers typed by the catalog. Rejects with `queue-missing`, and with what
   * `Transport.consume` and `Transport.apply` name.
   */
  consume(queue: string, handlers: Handlers<M>, options?: ConsumerOptions): Promise<Consumer>;
  /**
   * Closes the consumers (each finishes what it has in hand, up to `deadlineMs`, default 10,000), waits for publishes in
   * flight, and leaves. Idempotent.
   */
  close(options?: CloseOptions): Promise<void>;
  /**
   * Closes the bus at the first of these signals; the process then ends by itself when nothing else keeps it. A second
   * signal ends it at once. Default SIGTERM and SIGINT. Returns how to call it off; closing calls it off, too.
   */
  closeOnSignals(signals?: readonly NodeJS.Signals[], options?: CloseOptions): () => void;
}

/**
 * Connects a service to its events: `connect()` for ATMA's, `connect({ preset })` for another preset,
 * `connect({ catalog, topology })` for your own. Rejects with `unreachable` or `access-refused`, unless it is `lazy`.
 */
export function connect(options?: BusOptions): Promise<Bus<AtmaEvents>>;
export function connect<M extends EventMap>(options: BusOptions & { preset: Preset<M> }): Promise<Bus<M>>;
export function connect<M extends EventMap>(
  options: BusOptions & { catalog: Catalog<M>; topology?: Topology },
): Promise<Bus<M>>;
export async function connect<M extends EventMap>(
  options: BusOptions & { preset?: Preset<M>; catalog?: Catalog<M>; topology?: Topology } = {},
): Promise<Bus<M> | Bus<AtmaEvents>> {
  const environment = options.environment ?? process.env;
  const url = options.url ?? (environment.RABBITMQ_URL || DEFAULT_URL);
  if (options.catalog) {
    const system = { catalog: options.catalog, topology: options.topology ?? EMPTY_TOPOLOGY };
    return busOf(system, await openTransport(url, options), options);
  }
  if (options.preset)
    return busOf(options.preset.build(environment), await openTransport(url, options), options);
  return busOf(atma.build(environment), await openTransport(url, options), options);
}

async function openTransport(
  url: string,
  options: ConnectionOptions & Pick<BusOptions, 'lazy'>,
): Promise<Transport> {
  const transport = await createTransport(url, {
    onNotice: (notice) => warn('EventBus', describeNotice(notice)),
    ...options,
  });
  try {
    if (options.lazy !== true) await transport.open();
    return transport;
  } catch (error) {
    await transport.close();
    throw error;
  }
}

function busOf<M extends EventMap>(
  system: System<M>,
  transport: Transport,
  options: PublisherOptions,
): Bus<M> {
  const { catalog, topology } = system;
  const consumers = new Set<Consumer>();
  const onClose = new Set<() => void>();
  let closing: Promise<void> | undefined;

  async function shutDown(closeOptions: CloseOptions | undefined): Promise<void> {
    for (const callOff of onClose) callOff();
    const closed = await Promise.allSettled([...consumers].map((consumer) => consumer.close(closeOptions)));
    await transport.close();
    const failed = closed.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }

  const bus: Bus<M> = {
    catalog,
    topology,
    transport,
    source: options.source,
    callbacks: system.callbacks ?? [],
    publish: createPublisher(transport, catalog, options).publish,
    setup: () => transport.apply(topology),
    async consume(queue, handlers, consumerOptions) {
      const consumer = await startConsumer(bus, queue, handlers, {
        ...(options.source !== undefined && { consumerName: options.source }),
        ...warnings(queue),
        ...consumerOptions,
      });
      consumers.add(consumer);
      consumer.ended.then(
        () => consumers.delete(consumer),
        () => {}, // it has still to be closed
      );
      // Started while the bus was closing, it has missed its end.
      if (closing !== undefined) await consumer.close();
      return consumer;
    },
    close(closeOptions) {
      closing ??= shutDown(closeOptions);
      return closing;
    },
    closeOnSignals(signals = ['SIGTERM', 'SIGINT'], closeOptions) {
      const onSignal = () => {
        bus.close(closeOptions).catch((error: unknown) => warn('EventBus', `Closing: ${messageOf(error)}`));
      };
      const callOff = () => {
        onClose.delete(callOff);
        for (const signal of signals) process.removeListener(signal, onSignal);
      };
      onClose.add(callOff);
      for (const signal of signals) process.once(signal, onSignal);
      return callOff;
    },
  };
  return bus;
}

/** What goes wrong a thousand times is told once a minute. */
const WARNING_PAUSE_MS = 60_000;

/** Nothing is to go wrong without a word: process warnings, unless the service listens itself. */
function warnings(queue: string): Pick<ConsumerOptions, 'onTrouble' | 'onDeadLetter'> {
  const mayTell = seldom(WARNING_PAUSE_MS, () => performance.now());
  const tell = (what: string, name: string, text: string) => {
    const untold = mayTell(what);
    if (untold === undefined) return;
    warn(name, untold === 0 ? text : `${text} (${untold} more like this since it was last told)`);
  };
  return {
    onTrouble(trouble) {
      const code = 'error' in trouble ? messageOf(trouble.error) : '';
      tell(`${trouble.kind} ${code}`, 'EventConsumer', describeTrouble(trouble));
    },
    onDeadLetter({ reason, fingerprint, message, attempts }, { properties, routingKey }) {
      const which = JSON.stringify(properties.messageId ?? properties.type ?? routingKey);
      tell(
        `${reason} ${fingerprint}`,
        'EventDeadLettered',
        `${which} in ${queue} was dead-lettered (${reason}, after ${attempts} attempts): ${message}`,
      );
    },
  };
}

function warn(name: string, text: string): void {
  process.emitWarning(lineForPeople(text), name);
}
