/** Headers with which brokers act on messages, or tell about them. Names are RabbitMQ's. */
import type { Headers } from './message.js';

/** What a broker writes about deaths: `x-death` and its companions. */
export function isDeathHeader(name: string): boolean {
  return name === 'x-death' || /^x-(first|last)-death-/.test(name);
}

/** Routing keys besides the one a message is published with; honoured by the default exchange, too. */
export function isFurtherRoute(name: string): boolean {
  return name === 'CC' || name === 'BCC';
}

/** What quorum queues write into the headers of each delivery anew. */
const COUNTED_BY_THE_QUEUE = ['x-delivery-count', 'x-acquired-count'] as const;

/** True for a message of a quorum queue that has been handed out before. */
export function hasDeliveryCount(headers: Headers): boolean {
  return COUNTED_BY_THE_QUEUE.some((name) => headers[name] !== undefined);
}

/** Headers without what the queue itself writes at each delivery; the same object where there is nothing of it. */
export function withoutDeliveryCount(headers: Headers): Headers {
  if (!COUNTED_BY_THE_QUEUE.some((name) => name in headers)) return headers;
  const { 'x-delivery-count': _, 'x-acquired-count': __, ...rest } = headers;
  return rest;
}

/** Set by quorum queues and streams when they deliver: about the delivery, not about the message. */
export function isOfTheDelivery(name: string): boolean {
  return name === 'x-stream-offset' || COUNTED_BY_THE_QUEUE.some((counted) => counted === name);
}
