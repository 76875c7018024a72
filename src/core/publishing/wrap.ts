/**
 * Wraps data in an envelope. Apart from the publisher, so that the command line, which needs only this, does not load
 * the OpenTelemetry API (20 ms).
 */
import { randomUUID } from 'node:crypto';
import { EventsError, messageOf } from '../errors.js';
import type { EventDefinition } from '../events/catalog.js';
import { type Envelope, isTraceparent } from '../events/envelope.js';
import { isoTime } from '../events/iso-time.js';
import type { Headers } from '../message.js';

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
  /** Further headers of the message. The event's own (version, time, causation, trace context) win. */
  readonly headers?: Headers;
}

export interface PublisherOptions {
  /** Name of the publishing service, sent as the event's `source`. */
  readonly source?: string;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
  /** Default `crypto.randomUUID`. */
  readonly randomId?: () => string;
}

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
