/** Message properties as stored. */
import type { Headers, MessageProperties } from '../../core/message.js';
import { decodeExactly, encodeExactly } from '../../storage/exact-json.js';
import type { SqlValue } from '../../storage/sqlite.js';

export const encodeProperties = (properties: MessageProperties): string | Uint8Array =>
  encodeExactly(properties);

export const decodeProperties = (stored: SqlValue | undefined): MessageProperties =>
  decodeExactly<MessageProperties>(stored);

/** The header `name` as a list of strings, as `CC`, `BCC` and RabbitMQ's `routing-keys` are. */
export function stringsIn(headers: Headers | undefined, name: string): readonly string[] {
  const value = headers?.[name];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}
