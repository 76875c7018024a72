/** Publishes typed events: validate, wrap, hand to the transport, wait for the confirm. */
import { randomUUID } from 'node:crypto';
import { EventsError, isEventsError, messageOf } from '../errors.js';
import type { Catalog, EventDefinition, EventMap, PublishedData } from '../events/catalog.js';
import { encode, validate } from '../events/codec.js';
import { type Envelope, isTraceparent } from '../events/envelope.js';
import { isoTime } from '../events/iso-time.js';
import type { OutgoingMessage } from '../message.js';
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
   * error's `eventId` as `id`: consumers can then tell the twin.
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
    // Not async: with tens of thousands of events a second, a promise more for each of them shows.
    publish(type, data, publishOptions = NO_OPTIONS) {
      let envelope: Envelope<typeof type, typeof data>;
      let message: OutgoingMessage;
      try {
        const definition = catalog.get(type);
        validate(definition, data);
        envelope = wrap(definition, data, publishOptions, options) as typeof envelope;
        message = encode(definition, envelope, publishOptions.routingKey);
      } catch (error) {
        return Promise.reject(error);
      }
      return transport.publish(message).then(
        () => envelope,
        (error: unknown) => {
          throw withEventId(error, envelope.id);
        },
      );
    },
  };
}

const NO_OPTIONS: PublishOptions = {};

/** The envelope of valid data, with its id and time decided. */
export function wrap(
  definition: EventDefinition,
  data: unknown,
  options: PublishOptions,
  defaults: PublisherOptions,
): Envelope {
  const time = options.time?.getTime() ?? (defaults.now ?? Date.now)();
  const cause = options.causedBy;
  // Assigned, not spread: this runs for every event.
  const envelope: Writable<Envelope> = {
    id: options.id ?? ownId(definition, data, time) ?? (defaults.randomId ?? randomUUID)(),
    type: definition.type,
    version: definition.version,
    time: isoTime(time),
    data,
  };
  if (defaults.source !== undefined) envelope.source = defaults.source;
  const correlationId = options.correlationId ?? cause?.correlationId;
  if (correlationId !== undefined) envelope.correlationId = correlationId;
  if (cause !== undefined) envelope.causationId = cause.id;
  const traceparent = options.traceparent ?? cause?.traceparent;
  if (traceparent !== undefined && isTraceparent(traceparent)) {
    envelope.traceparent = traceparent;
    const tracestate = options.tracestate ?? cause?.tracestate;
    if (tracestate !== undefined) envelope.tracestate = tracestate;
  }
  return envelope;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function ownId({ id, type }: EventDefinition, data: unknown, time: number): string | undefined {
  if (id === undefined) return undefined;
  try {
    return id(data, new Date(time));
  } catch (error) {
    throw new EventsError('config-invalid', `The id function of ${type} failed: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** A copy: a transport may reject many publishes with one error. */
function withEventId(error: unknown, eventId: string): unknown {
  if (!isEventsError(error)) return error;
  const { code, message, hint, issues } = error;
  return new EventsError(code, message, {
    cause: error,
    issues,
    eventId,
    ...(hint !== undefined && { hint }),
  });
}
