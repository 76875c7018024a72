/**
 * A message: the bytes and properties on the wire, in AMQP 0-9-1 terms. Transports carry messages;
 * only `core/events` knows how an event becomes one.
 */

/**
 * A header value. Plain JavaScript values travel as the smallest AMQP type that holds them; where the
 * exact field type matters, a value is written in amqplib's notation `{ '!': type, value }`. Types:
 * int8 uint8 int16 uint16 int32 uint32 int64 (value may be a decimal string) float double timestamp
 * decimal ({places, digits}) and bytes (value is base64, so that a message survives JSON).
 */
export type HeaderValue =
  | null
  | boolean
  | number
  | string
  | readonly HeaderValue[]
  | TypedHeader
  | { readonly [key: string]: HeaderValue };

export interface TypedHeader {
  readonly '!': string;
  readonly value: HeaderValue;
}

export type Headers = { readonly [key: string]: HeaderValue };

/** AMQP basic properties. All optional; an absent property is absent on the wire too. */
export interface MessageProperties {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly headers?: Headers;
  /** 2 survives a broker restart, 1 need not. Default when publishing: 2. */
  readonly deliveryMode?: 1 | 2;
  /** 0 to 255; counts only in queues with `x-max-priority`. */
  readonly priority?: number;
  readonly correlationId?: string;
  readonly replyTo?: string;
  /** Time to live in milliseconds, as a decimal string (AMQP's form). */
  readonly expiration?: string;
  readonly messageId?: string;
  /** Seconds since 1970 (AMQP's resolution). */
  readonly timestamp?: number;
  readonly type?: string;
  /** RabbitMQ refuses any value but the connection's own user. */
  readonly userId?: string;
  readonly appId?: string;
}

export interface OutgoingMessage {
  /** '' is the default exchange, which routes to the queue named by the routing key. */
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly properties: MessageProperties;
  /** Reject with `unroutable` when no queue gets the message. Default true. */
  readonly mandatory?: boolean;
}

export interface ReceivedMessage {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly properties: MessageProperties;
  /** The queue handed this message out before, to someone who did not ack it. */
  readonly redelivered: boolean;
}

/** True for a value in `{ '!': type, value }` notation. */
export function isTypedHeader(value: HeaderValue): value is TypedHeader {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && '!' in value && 'value' in value
  );
}

/** The header value without its wire types, for people and for filters. */
export function plainHeader(value: HeaderValue): HeaderValue {
  if (isTypedHeader(value)) return plainHeader(value.value);
  if (Array.isArray(value)) return value.map(plainHeader);
  if (typeof value === 'object' && value !== null) return plainHeaders(value as Headers);
  return value;
}

const OWN = { enumerable: true, configurable: true, writable: true };

/** All headers without their wire types; `{}` for none. */
export function plainHeaders(headers: Headers | undefined): Headers {
  const plain: Record<string, HeaderValue> = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    // An assignment to `__proto__` would not make a property.
    if (name === '__proto__') Object.defineProperty(plain, name, { ...OWN, value: plainHeader(value) });
    else plain[name] = plainHeader(value);
  }
  return plain;
}

/**
 * The message with plain numbers in its headers, as handlers expect them; what JavaScript has no value for (timestamps,
 * decimals, bytes) stays in typed notation. The same object where there is nothing to change, which is nearly always.
 */
export function plainNumbers(message: ReceivedMessage): ReceivedMessage {
  const { headers } = message.properties;
  if (headers === undefined || !Object.values(headers).some(holdsTypedNumber)) return message;
  return { ...message, properties: { ...message.properties, headers: numbersPlainIn(headers) } };
}

const NUMBER = /^(u?int(8|16|32|64)|float|double)$/;

function holdsTypedNumber(value: HeaderValue): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (isTypedHeader(value)) return NUMBER.test(value['!']);
  return Object.values(value).some(holdsTypedNumber);
}

function numbersPlainIn(headers: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, numberPlain(value)]));
}

function numberPlain(value: HeaderValue): HeaderValue {
  if (typeof value !== 'object' || value === null) return value;
  if (isTypedHeader(value)) return NUMBER.test(value['!']) ? Number(value.value) : value;
  if (Array.isArray(value)) return value.map(numberPlain);
  return numbersPlainIn(value as Headers);
}
