/**
 * A message as one line of JSON: what `tail --json` prints and `tail --save` keeps.
 *
 * `tail --json` shows the event for people and programs. A saved line has `properties` and the body's own
 * bytes (`body` as text, or `bodyBase64`) besides, so that publishing it again gives the same message.
 */
import { z } from 'zod';
import { EventsError, type FieldIssue } from '../errors.js';
import {
  type Headers,
  type MessageProperties,
  type OutgoingMessage,
  plainHeaders,
  type ReceivedMessage,
} from '../message.js';
import type { Catalog } from './catalog.js';
import { type Decoded, decode, decodeUtf8 } from './codec.js';
import { fieldIssues } from './field-issues.js';
import { parseJson } from './json.js';

/** One line of `tail --json`. Field names are a public contract. */
export interface EventRecord {
  /** ISO 8601. */
  readonly receivedAt: string;
  readonly exchange: string;
  readonly routingKey: string;
  readonly messageId: string | null;
  /** The event type the message claims, or null. */
  readonly type: string | null;
  /** Without wire types. */
  readonly headers: Headers;
  readonly valid: boolean;
  readonly errors?: readonly FieldIssue[];
  /** The parsed JSON body, or null when it is not JSON. */
  readonly event: unknown;
}

/** One line of `tail --save`. */
export interface SavedRecord extends EventRecord {
  readonly properties: MessageProperties;
  readonly body?: string;
  readonly bodyBase64?: string;
}

/** Describes a message as a record; also returns how it decoded. */
export function toRecord(
  catalog: Catalog,
  message: ReceivedMessage,
  receivedAt: Date,
): { readonly record: EventRecord; readonly decoded: Decoded } {
  const decoded = decode(catalog, message);
  const type = decoded.valid ? decoded.envelope.type : decoded.type;
  return {
    decoded,
    record: {
      receivedAt: receivedAt.toISOString(),
      exchange: message.exchange,
      routingKey: message.routingKey,
      messageId: message.properties.messageId ?? null,
      type: type ?? null,
      headers: plainHeaders(message.properties.headers),
      valid: decoded.valid,
      ...(!decoded.valid && { errors: decoded.errors }),
      event: decoded.body ?? null,
    },
  };
}

/** The record with all that is needed to publish the same message again. */
export function toSavedRecord(record: EventRecord, message: ReceivedMessage): SavedRecord {
  return { ...record, properties: message.properties, ...bodyField(message.body) };
}

function bodyField(body: Buffer): { body: string } | { bodyBase64: string } {
  try {
    const text = decodeUtf8(body);
    // JSON.stringify would escape a lone surrogate, but UTF-8 has none; a text that decodes comes back whole.
    return { body: text };
  } catch {
    return { bodyBase64: body.toString('base64') }; // not UTF-8: only base64 keeps its bytes
  }
}

const headerValue: z.ZodType = z.lazy(() =>
  z.union([
    z.null(),
    z.boolean(),
    z.number(),
    z.string(),
    z.array(headerValue),
    z.record(z.string(), headerValue),
  ]),
);

const savedSchema = z.looseObject({
  exchange: z.string(),
  routingKey: z.string(),
  valid: z.boolean().optional(),
  event: z.unknown().optional(),
  properties: z.strictObject({
    contentType: z.string().optional(),
    contentEncoding: z.string().optional(),
    headers: z.record(z.string(), headerValue).optional(),
    deliveryMode: z.union([z.literal(1), z.literal(2)]).optional(),
    priority: z.int().min(0).max(255).optional(),
    correlationId: z.string().optional(),
    replyTo: z.string().optional(),
    expiration: z.string().optional(),
    messageId: z.string().optional(),
    timestamp: z.int().min(0).optional(),
    type: z.string().optional(),
    userId: z.string().optional(),
    appId: z.string().optional(),
  }),
  body: z.string().optional(),
  bodyBase64: z.base64().optional(),
});

/** True for a value that is meant as a saved line. */
export function isSavedRecord(value: object): boolean {
  return 'properties' in value && 'routingKey' in value && ('body' in value || 'bodyBase64' in value);
}

/** The message of a saved line, as it was. Throws `input-invalid` when the line has been damaged or half edited. */
export function fromSavedRecord(value: object): OutgoingMessage {
  const result = savedSchema.safeParse(value);
  if (!result.success) {
    throw new EventsError('input-invalid', 'Not a line of tail --save', {
      issues: fieldIssues(result.error.issues),
    });
  }
  const { exchange, routingKey, properties, body, bodyBase64, event } = result.data;
  if (body !== undefined && event !== undefined && event !== null && !sameJson(body, event)) {
    throw new EventsError('input-invalid', 'The "event" and the "body" of this saved line differ', {
      hint: 'The body is what would be sent. Edit both alike, or remove "body" and "properties" to send the event.',
    });
  }
  return {
    exchange,
    routingKey,
    properties: properties as MessageProperties,
    body: bodyBase64 === undefined ? Buffer.from(body ?? '') : Buffer.from(bodyBase64, 'base64'),
  };
}

function sameJson(body: string, event: unknown): boolean {
  const compact = JSON.stringify(event);
  if (body === compact) return true;
  const parsed = parseJson(body);
  return 'value' in parsed && JSON.stringify(parsed.value) === compact;
}
