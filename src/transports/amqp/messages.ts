/** Messages between our model and amqplib's. */
import type { GetMessage, Message } from 'amqplib';
import {
  type Headers,
  type HeaderValue,
  isTypedHeader,
  type MessageProperties,
  type OutgoingMessage,
  type ReceivedMessage,
} from '../../core/message.js';
import { DURABLE } from './publish-frames.js';

/**
 * Method and property fields in one object, as amqplib's encoder takes them: it picks what it needs. It knows every typed
 * value but `bytes`, which it takes as a Buffer.
 */
export function forAmqplib({ exchange, routingKey, mandatory, properties }: OutgoingMessage): object {
  const { headers, deliveryMode = DURABLE } = properties;
  return {
    ...properties,
    exchange,
    routingKey,
    mandatory: mandatory !== false,
    deliveryMode,
    headers: headers === undefined ? undefined : mapTable(headers, wireValue),
  };
}

function wireValue(value: HeaderValue): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return mapArray(value as readonly HeaderValue[], wireValue);
  if (!isTypedHeader(value)) return mapTable(value as Headers, wireValue);
  return value['!'] === 'bytes' ? Buffer.from(String(value.value), 'base64') : value;
}

/** A received message. Only properties that were on the wire are there. */
export function receivedMessage(message: Message | GetMessage): ReceivedMessage {
  const { fields, properties: wire } = message;
  const properties: { -readonly [K in keyof MessageProperties]: MessageProperties[K] } = {};
  if (wire.contentType !== undefined) properties.contentType = wire.contentType;
  if (wire.contentEncoding !== undefined) properties.contentEncoding = wire.contentEncoding;
  if (wire.headers !== undefined) properties.headers = plainTable(wire.headers);
  if (wire.deliveryMode !== undefined) properties.deliveryMode = wire.deliveryMode;
  if (wire.priority !== undefined) properties.priority = wire.priority;
  if (wire.correlationId !== undefined) properties.correlationId = wire.correlationId;
  if (wire.replyTo !== undefined) properties.replyTo = wire.replyTo;
  if (wire.expiration !== undefined) properties.expiration = wire.expiration;
  if (wire.messageId !== undefined) properties.messageId = wire.messageId;
  if (wire.timestamp !== undefined) properties.timestamp = wire.timestamp;
  if (wire.type !== undefined) properties.type = wire.type;
  if (wire.userId !== undefined) properties.userId = wire.userId;
  if (wire.appId !== undefined) properties.appId = wire.appId;
  return {
    exchange: fields.exchange,
    routingKey: fields.routingKey,
    body: message.content,
    properties,
    redelivered: fields.redelivered,
  };
}

/** Of a channel with typed headers (`wire.typeHeaders`): what amqplib calls properties are those of our model. */
export function exactMessage({ fields, content, properties }: Message | GetMessage): ReceivedMessage {
  return {
    exchange: fields.exchange,
    routingKey: fields.routingKey,
    body: content,
    properties: properties as unknown as MessageProperties,
    redelivered: fields.redelivered,
  };
}

function plainTable(headers: { readonly [name: string]: unknown }): Headers {
  return mapTable(headers, plainValue) as Headers;
}

function plainValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Buffer.isBuffer(value)) return { '!': 'bytes', value: value.toString('base64') };
  if (Array.isArray(value)) return mapArray(value as readonly unknown[], plainValue);
  return mapTable(value as { readonly [name: string]: unknown }, plainValue);
}

/** The same table where no value changes, which is nearly always: copies would be a third of the cost of a delivery. */
function mapTable<T>(table: { readonly [name: string]: T }, map: (value: T) => unknown): object {
  for (const name in table) {
    const value = table[name] as T;
    if (map(value) !== value) {
      return Object.fromEntries(Object.entries(table).map(([key, each]) => [key, map(each)]));
    }
  }
  return table;
}

function mapArray<T>(array: readonly T[], map: (value: T) => unknown): readonly unknown[] {
  return array.some((value) => map(value) !== value) ? array.map(map) : array;
}
