/** Message properties as stored: JSON text, or a V8 blob for what JSON would change (NaN, -0, undefined, …). */
import { deserialize, serialize } from 'node:v8';
import type { Headers, HeaderValue } from '../core/message.js';
import { asBuffer, type SqlValue } from './sqlite.js';

/** Beside the headers, all values must be such that JSON keeps. Throws for headers that are no data (functions, say). */
export function encodeExactly<T extends { readonly headers?: Headers }>(value: T): string | Uint8Array {
  const { headers } = value;
  return headers === undefined || survivesJson(headers) ? JSON.stringify(value) : serialize(value);
}

/** What was encoded, of a file of our own: its type is the caller's word. */
export function decodeExactly<T>(stored: SqlValue | undefined): T {
  if (typeof stored === 'string') return JSON.parse(stored) as T;
  return deserialize(asBuffer(stored)) as T;
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
