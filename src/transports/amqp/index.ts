/** RabbitMQ as a transport. Its states, and what a crash in each leaves behind: docs/rabbitmq.md. */

import type { Subscription, Transport, TransportFeatures, TransportOptions } from '../../core/transport.js';
import { type AmqpTlsOptions, parseAddress } from './address.js';
import { browseQueue } from './browse.js';
import { openConsumer } from './consumer.js';
import { countQueue } from './counting.js';
import { declareTopology, removeEntities } from './declare.js';
import { closedError } from './failures.js';
import { inspectTopology } from './inspect.js';
import { Link, type LinkOptions } from './link.js';
import { clusterName } from './management.js';
import { Publisher } from './publisher.js';
import { surveyBroker } from './survey.js';
import { openTap } from './tap.js';
import { rememberVolatile } from './volatile.js';

export type { AmqpTlsOptions } from './address.js';

export const AMQP_FEATURES: TransportFeatures = {
  remote: true,
  exactHeaderTypes: true,
  browseLeavesNoTrace: false,
};

export interface AmqpOptions extends TransportOptions {
  readonly tls?: AmqpTlsOptions;
  /** Default: `http://host:15672`, or the AMQP port + 10,000 where that is not 5672; `https` for `amqps`. */
  readonly managementUrl?: string;
  /** 0 to 1, for the jitter of retries. Default `Math.random`. */
  readonly random?: () => number;
}

const START_TIMEOUT_MS = 10_000;
const RECONNECT_TIMEOUT_MS = 30_000;
const MISSING_BUDGET_MS = 5_000;
const CLOSE_LIMIT_MS = 10_000;
const MAX_IN_FLIGHT = 1_000;
const MAX_IN_FLIGHT_BYTES = 64 * 1024 * 1024;

/**
 * A transport for `amqp://user:password@host:port/vhost` or `amqps://…`, with RabbitMQ's URI query
 * parameters (heartbeat, channel_max, connection_timeout, cacertfile, certfile, keyfile,
 * server_name_indication, verify). It connects when first used. Throws `usage` on any other URL.
 */
export function createAmqpTransport(url: string, options: AmqpOptions = {}): Transport {
  const address = parseAddress(url);
  const now = options.now ?? Date.now;
  const notice = options.onNotice ?? (() => {});
  const reconnectTimeoutMs = options.reconnectTimeoutMs ?? RECONNECT_TIMEOUT_MS;
  const linkOptions = (role: LinkOptions['role']): LinkOptions => ({
    role,
    address,
    tls: options.tls ?? {},
    startTimeoutMs: options.startTimeoutMs ?? START_TIMEOUT_MS,
    reconnectTimeoutMs,
    notice,
    now,
    random: options.random ?? Math.random,
  });
  const publishing = new Link(linkOptions('publish'));
  // Declarations are here too, because an exclusive queue belongs to the connection that declared it.
  const consuming = new Link(linkOptions('consume'));
  const volatile = rememberVolatile({ lockedBudgetMs: reconnectTimeoutMs, notice, now });
  consuming.restore = (wire) => volatile.restore(wire);
  const publisher = new Publisher({
    link: publishing,
    address,
    maxInFlight: options.maxInFlight ?? MAX_IN_FLIGHT,
    maxInFlightBytes: options.maxInFlightBytes ?? MAX_IN_FLIGHT_BYTES,
    async topologyRestored() {
      if (!volatile.isEmpty()) await consuming.use();
    },
  });
  const subscriptions = new Set<Subscription>();
  const context = {
    link: consuming,
    address,
    missingBudgetMs: Math.min(reconnectTimeoutMs, MISSING_BUDGET_MS),
    lockedBudgetMs: reconnectTimeoutMs,
    now,
  };
  const management = { address, managementUrl: options.managementUrl };
  let closing: Promise<void> | undefined;

  const ensureOpen = () => {
    if (closing !== undefined) throw closedError();
  };

  async function keep<S extends Subscription>(opening: Promise<S>): Promise<S> {
    const subscription = await opening;
    if (closing !== undefined) {
      await subscription.close();
      throw closedError();
    }
    subscriptions.add(subscription);
    const forget = () => subscriptions.delete(subscription);
    subscription.ended.then(forget, forget);
    return subscription;
  }

  async function shutDown(): Promise<void> {
    const subscribed = [...subscriptions];
    await Promise.all([
      publisher.close(CLOSE_LIMIT_MS).then(() => publishing.close()),
      Promise.all(subscribed.map((subscription) => subscription.close())).then(() => consuming.close()),
    ]);
  }

  return {
    scheme: address.scheme,
    address: address.printable,
    features: AMQP_FEATURES,

    async open() {
      ensureOpen();
      if (consuming.current === undefined) await publishing.use();
    },

    async identity() {
      ensureOpen();
      const cluster = await consuming.run(async (wire) => clusterName(wire));
      const { host, port, vhost } = address;
      return `${cluster} at ${host.toLowerCase()}:${port}/${encodeURIComponent(vhost)}`;
    },

    async inspect(topology) {
      ensureOpen();
      return consuming.run((wire) => inspectTopology(wire, topology, management));
    },

    async survey() {
      ensureOpen();
      return consuming.run((wire) => surveyBroker(wire, management));
    },

    async apply(topology) {
      ensureOpen();
      await consuming.run((wire) => declareTopology(wire, topology, address));
      volatile.remember(topology);
    },

    async remove({ queues = [], exchanges = [] }) {
      ensureOpen();
      volatile.forget(queues, exchanges);
      await consuming.run((wire) => removeEntities(wire, queues, exchanges));
      publisher.forgetExchanges();
    },

    publish: (message) => publisher.publish(message),

    async consume(queue, consumeOptions, onDelivery) {
      ensureOpen();
      return keep(openConsumer(queue, consumeOptions, onDelivery, { ...context, notice }));
    },

    async tap(tapOptions, handlers) {
      ensureOpen();
      return keep(openTap(tapOptions, handlers, context));
    },

    async *browse(queue, browseOptions = {}) {
      ensureOpen();
      yield* browseQueue(queue, browseOptions, { link: consuming, address });
    },

    async counts(queue) {
      ensureOpen();
      return consuming.run((wire) => countQueue(wire, queue), `queue "${queue}"`);
    },

    close() {
      closing ??= shutDown();
      return closing;
    },
  };
}
