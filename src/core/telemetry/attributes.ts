/** What spans and measurements say about themselves. Names in docs/guides/observe.md. */
import type { Attributes } from '@opentelemetry/api';
import { isEventsError } from '../errors.js';
import type { Envelope } from '../events/envelope.js';

/**
 * The exchange, or the queue where the default exchange is used: bounded by the topology. RabbitMQ's conventions add
 * the routing key, which may hold ids; it is an attribute of spans instead.
 */
export function destinationOf(exchange: string, routingKey: string): string {
  return exchange || routingKey;
}

/** Attributes of one message, too many different ones for metrics. */
export function messageAttributes(system: string, envelope: Envelope, routingKey: string): Attributes {
  return {
    'messaging.message.id': envelope.id,
    ...(envelope.correlationId !== undefined && {
      'messaging.message.conversation_id': envelope.correlationId,
    }),
    [`messaging.${system}.destination.routing_key`]: routingKey,
  };
}

/** With the event's type, where it is one of the catalog's: those are few. */
export function withType(attributes: Attributes, type: string | undefined): Attributes {
  return type === undefined ? attributes : { ...attributes, 'atma_events.event.type': type };
}

/** An error's code or name, which must be few in number: what does not look like a name is none. */
export function errorType(error: unknown): string {
  if (isEventsError(error)) return error.code;
  return error instanceof Error && /^[A-Za-z][\w.]{0,63}$/.test(error.name) ? error.name : '_OTHER';
}
