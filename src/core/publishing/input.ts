/** Reads lines of JSON as messages to publish. */
import { EventsError, isEventsError } from '../errors.js';
import type { Catalog } from '../events/catalog.js';
import { decode, decodeUtf8, encode, openInput, validate } from '../events/codec.js';
import { parseJson } from '../events/json.js';
import { fromSavedRecord, isSavedRecord } from '../events/record.js';
import type { OutgoingMessage } from '../message.js';
import type { StreamItem } from './stream.js';
import { type PublisherOptions, wrap } from './wrap.js';

/**
 * One line as a stream item. A line is one of:
 * - a line of `tail --save`: published as it was, bytes, properties and routing included. It must still be
 *   a valid event, unless it was marked `"valid": false` when it was saved;
 * - a line of `tail --json`: its `event` is published anew under the same id;
 * - a flat event: `{"eventType": …, …}`;
 * - `{"type": …, "data": …, "id"?, "time"?, "correlationId"?}`.
 */
export function readLine(
  catalog: Catalog,
  options: PublisherOptions,
  line: number,
  bytes: Buffer,
): StreamItem | undefined {
  try {
    const text = decodeLine(bytes).replace(/^\uFEFF/, ''); // a byte order mark, as some editors write
    if (text.trim() === '') return undefined;
    return { line, message: messageOfLine(catalog, options, parseObject(text)) };
  } catch (error) {
    if (!isEventsError(error)) throw error;
    return { line, error };
  }
}

/** The message of one event given as data or as a flat body. Throws `event-unknown` or `event-invalid`. */
export function messageFor(
  catalog: Catalog,
  options: PublisherOptions,
  type: string,
  input: unknown,
  publish: { readonly id?: string; readonly time?: Date; readonly correlationId?: string } = {},
): OutgoingMessage {
  const definition = catalog.get(type);
  const { data, time } = openInput(definition, input);
  validate(definition, data);
  return encode(definition, wrap(definition, data, { ...(time && { time }), ...publish }, options));
}

function messageOfLine(
  catalog: Catalog,
  options: PublisherOptions,
  value: Record<string, unknown>,
): OutgoingMessage {
  if (isSavedRecord(value)) {
    const message = fromSavedRecord(value);
    if (value.valid !== false) requireValid(catalog, message);
    return message;
  }
  if ('routingKey' in value && 'event' in value) {
    const id = typeof value.messageId === 'string' ? { id: value.messageId } : {};
    return messageFor(catalog, options, typeOf(value.type), value.event, id);
  }
  if ('eventType' in value) return messageFor(catalog, options, typeOf(value.eventType), value);
  if ('type' in value && 'data' in value) {
    return messageFor(catalog, options, typeOf(value.type), value.data, {
      ...(typeof value.id === 'string' && { id: value.id }),
      ...(typeof value.time === 'string' && { time: dateOf(value.time) }),
      ...(typeof value.correlationId === 'string' && { correlationId: value.correlationId }),
    });
  }
  throw new EventsError('input-invalid', 'The line names no event', {
    hint: 'Expected "eventType" and its fields, {"type", "data"}, or a line that tail printed or saved.',
  });
}

function requireValid(catalog: Catalog, message: OutgoingMessage): void {
  const decoded = decode(catalog, { ...message, redelivered: false });
  if (decoded.valid) return;
  throw new EventsError('event-invalid', `Not a valid ${decoded.type ?? 'event'}`, {
    issues: decoded.errors,
    hint: 'A saved line with "valid": false is sent as it is.',
  });
}

function typeOf(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new EventsError('input-invalid', 'The event type is not a text');
}

function dateOf(text: string): Date {
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time;
  throw new EventsError('input-invalid', `"${text}" is not an ISO 8601 time`);
}

function decodeLine(bytes: Buffer): string {
  try {
    return decodeUtf8(bytes);
  } catch (error) {
    throw new EventsError('input-invalid', 'The line is not UTF-8 text', { cause: error });
  }
}

function parseObject(text: string): Record<string, unknown> {
  const parsed = parseJson(text);
  if ('problem' in parsed) throw new EventsError('input-invalid', `Not JSON: ${parsed.problem}`);
  const { value } = parsed;
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new EventsError('input-invalid', 'Expected a JSON object');
}
