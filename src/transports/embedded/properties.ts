/** Message properties as stored: JSON text, or a V8 blob for what JSON would change (NaN, -0, undefined, …). */
import { deserialize, serialize } from 'node:v8';
import type { Headers, HeaderValue, MessageProperties } from '../../core/message.js';
import { asBuffer, type SqlValue } from '../../storage/sqlite.js';

export function encodeProperties(properties: MessageProperties): string | Uint8Array {
  const { headers } = properties;
  return headers === undefined || survivesJson(headers) ? JSON.stringify(properties) : serialize(properties);
}

export function decodeProperties(stored: SqlValue | undefined): MessageProperties {
  if (typeof stored === 'string') return JSON.parse(stored) as MessageProperties;
  return deserialize(asBuffer(stored)) as MessageProperties;
}

function survivesJson(value: HeaderValue): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0);
    case 'object': {
      if (value === null) return true;
      if (Array.isArray(value)) return value.every(survivesJson);
      const prototype: unknown = Object.getPrototypeOf(value);
      if (prototype !== Object.prototype && prototype !== null) return false;
      return Object.values(value as Headers).every(survivesJson);
    }
    default:
      return false;
  }
}

/** The header `name` as a list of strings, as `CC`, `BCC` and RabbitMQ's `routing-keys` are. */
export function stringsIn(headers: Headers | undefined, name: string): readonly string[] {
  const value = headers?.[name];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}
