/** Composition root for services: the core on the transport of a URL. */
import { type ConsumerOptions, type Handlers, startConsumer } from './core/consuming/consumer.js';
import type { Catalog, EventMap } from './core/events/catalog.js';
import { createPublisher, type Publisher, type PublisherOptions } from './core/publishing/publisher.js';
import { EMPTY_TOPOLOGY, type Topology } from './core/topology/model.js';
import type { Subscription, Transport } from './core/transport.js';
import { type AtmaEvents, atma } from './presets/atma.js';
import type { Environment, Preset, System } from './presets/preset.js';
import { type ConnectionOptions, createTransport, DEFAULT_URL } from './transports/index.js';

export interface BusOptions extends ConnectionOptions, PublisherOptions {
  /** Default: `RABBITMQ_URL` of the environment, else the embedded broker in `./.atma-events/broker.db`. */
  readonly url?: string;
  /** Default `process.env`. */
  readonly environment?: Environment;
}

export interface Bus<M extends EventMap> extends Publisher<M> {
  readonly catalog: Catalog<M>;
  readonly topology: Topology;
  readonly transport: Transport;
  /** Creates what the topology names and the broker lacks; `topology-conflict` when something differs. */
  setup(): Promise<void>;
  /** Starts a consumer of the queue, with handlers typed by the catalog. */
  consume(queue: string, handlers: Handlers<M>, options?: ConsumerOptions): Promise<Subscription>;
  /** Waits for publishes in flight, ends the consumers and leaves. Idempotent. */
  close(): Promise<void>;
}

/**
 * Connects a service to its events: `connect()` for ATMA's, `connect({ preset })` for another preset,
 * `connect({ catalog, topology })` for your own. Rejects with `unreachable` or `access-refused`.
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

async function openTransport(url: string, options: ConnectionOptions): Promise<Transport> {
  const transport = await createTransport(url, options);
  try {
    await transport.open();
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
  return {
    catalog,
    topology,
    transport,
    publish: createPublisher(transport, catalog, options).publish,
    setup: () => transport.apply(topology),
    consume: (queue, handlers, consumerOptions) =>
      startConsumer(transport, catalog, queue, handlers, {
        onReject: warnOfReject(queue),
        ...consumerOptions,
      }),
    close: () => transport.close(),
  };
}

/** A rejected delivery must not vanish without a word: a process warning, unless the service listens itself. */
function warnOfReject(queue: string): NonNullable<ConsumerOptions['onReject']> {
  return (reason, { properties, routingKey }) => {
    const which = JSON.stringify(properties.messageId ?? routingKey);
    process.emitWarning(`${which} in ${queue} was rejected: ${JSON.stringify(reason)}`, 'EventRejected');
  };
}
