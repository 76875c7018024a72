/** Publishes typed events: validate, wrap, hand to the transport, wait for the confirm. */
import { randomUUID } from 'node:crypto';
import type { Catalog, EventDefinition, EventMap, PublishedData } from '../events/catalog.js';
import { encode, validate } from '../events/codec.js';
import { type Envelope, isTraceparent } from '../events/envelope.js';
import type { Transport } from '../transport.js';

export interface PublishOptions {
  /** Default: what the event's definition makes of its data, else a random UUID. */
  readonly id?: string;
  /** When it happened. Default: now. */
  readonly time?: Date;
  /** Default: that of `causedBy`. */
  readonly correlationId?: string;
  /** The event being handled: gives causation id, correlation id and trace context. */
  readonly causedBy?: Envelope;
  readonly traceparent?: string;
  readonly tracestate?: string;
  /** Default: the definition's. */
  readonly routingKey?: string;
}

export interface PublisherOptions {
  /** Name of the publishing service, sent as the event's `source`. */
  readonly source?: string;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
  /** Default `crypto.randomUUID`. */
  readonly randomId?: () => string;
}

export interface Publisher<M extends EventMap> {
  /**
   * Resolves with the envelope once the broker confirmed it. Rejects with `event-unknown`,
   * `event-invalid`, or what `Transport.publish` names. After `publish-unknown`, publish again with the
   * same `id`: consumers can then tell the twin.
   */
  publish<T extends keyof M & string>(
    type: T,
    data: PublishedData<M, T>,
    options?: PublishOptions,
  ): Promise<Envelope<T, PublishedData<M, T>>>;
}

/** A publisher of the catalog's events on a transport. */
export function createPublisher<M extends EventMap>(
  transport: Pick<Transport, 'publish'>,
  catalog: Catalog<M>,
  options: PublisherOptions = {},
): Publisher<M> {
  return {
    async publish(type, data, publishOptions = {}) {
      const definition = catalog.get(type);
      validate(definition, data);
      const envelope = wrap(definition, data, publishOptions, options);
      await transport.publish(encode(definition, envelope, publishOptions.routingKey));
      return envelope as Envelope<typeof type, typeof data>;
    },
  };
}

/** The envelope of valid data, with its id and time decided. */
export function wrap(
  definition: EventDefinition,
  data: unknown,
  options: PublishOptions,
  defaults: PublisherOptions,
): Envelope {
  const time = options.time ?? new Date((defaults.now ?? Date.now)());
  const cause = options.causedBy;
  const correlationId = options.correlationId ?? cause?.correlationId;
  const traceparent = options.traceparent ?? cause?.traceparent;
  const tracestate = options.tracestate ?? cause?.tracestate;
  const traced = isTraceparent(traceparent);
  return {
    id: options.id ?? definition.id?.(data, time) ?? (defaults.randomId ?? randomUUID)(),
    type: definition.type,
    version: definition.version,
    time: time.toISOString(),
    data,
    ...(defaults.source !== undefined && { source: defaults.source }),
    ...(correlationId !== undefined && { correlationId }),
    ...(cause !== undefined && { causationId: cause.id }),
    ...(traced && { traceparent }),
    ...(traced && tracestate !== undefined && { tracestate }),
  };
}
