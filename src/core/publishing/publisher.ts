/** Publishes typed events: validate, wrap, hand to the transport, wait for the confirm. */
import { EventsError, isEventsError } from '../errors.js';
import type { Catalog, EventMap, PublishedData } from '../events/catalog.js';
import { encode, validate } from '../events/codec.js';
import type { Envelope } from '../events/envelope.js';
import type { OutgoingMessage } from '../message.js';
import { messagingSystem, publisherTelemetry, type WatchedPublish } from '../telemetry.js';
import type { Transport } from '../transport.js';
import { type PublisherOptions, type PublishOptions, wrap } from './wrap.js';

export type { PublisherOptions, PublishOptions } from './wrap.js';

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
  transport: Pick<Transport, 'publish'> & Partial<Pick<Transport, 'scheme'>>,
  catalog: Catalog<M>,
  options: PublisherOptions = {},
): Publisher<M> {
  const telemetry = publisherTelemetry({ system: messagingSystem(transport.scheme ?? 'unknown') });
  return {
    // Not async: with tens of thousands of events a second, a promise more for each of them shows.
    publish(type, data, publishOptions = NO_OPTIONS) {
      let envelope: Envelope<typeof type, typeof data>;
      let message: OutgoingMessage;
      let watched: WatchedPublish | undefined;
      try {
        const definition = catalog.get(type);
        validate(definition, data);
        const routingKey = publishOptions.routingKey ?? definition.routingKey;
        envelope = wrap(definition, data, publishOptions, options) as typeof envelope;
        const given = publishOptions.traceparent !== undefined;
        watched = telemetry.publishing(envelope, definition.exchange, routingKey, given);
        if (watched !== undefined) envelope = watched.envelope as typeof envelope;
        message = encode(definition, envelope, routingKey, publishOptions.headers);
      } catch (error) {
        watched?.notSent(error);
        return Promise.reject(error);
      }
      return transport.publish(message).then(
        () => {
          watched?.ended();
          return envelope;
        },
        (error: unknown) => {
          watched?.ended(error);
          throw withEventId(error, envelope.id);
        },
      );
    },
  };
}

const NO_OPTIONS: PublishOptions = {};

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
