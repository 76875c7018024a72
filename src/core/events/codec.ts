/**
 * Events to messages and back.
 *
 * | envelope | message |
 * |---|---|
 * | id | `messageId` |
 * | type | `type`, and `eventType` in a flat body |
 * | version | header `x-event-version`, left out for 1 |
 * | time | `timestamp` (seconds); exact in a flat body's `timestamp`, else in header `x-event-time` |
 * | source | `appId` |
 * | correlationId | `correlationId` |
 * | causationId | header `x-causation-id` |
 * | traceparent, tracestate | headers of the same name |
 *
 * Further headers of a publish stand beside these.
 */
import { createHash } from 'node:crypto';
import { EventsError, type FieldIssue } from '../errors.js';
import {
  type Headers,
  type HeaderValue,
  type MessageProperties,
  type OutgoingMessage,
  plainHeader,
  type ReceivedMessage,
} from '../message.js';
import type { Catalog, EventDefinition } from './catalog.js';
import { type Envelope, isTraceparent } from './envelope.js';
import { applySchema, describeIssues } from './field-issues.js';
import { isoTimeOfSeconds, secondsOf } from './iso-time.js';
import { parseJson } from './json.js';

export const HEADER_VERSION = 'x-event-version';
export const HEADER_TIME = 'x-event-time';
export const HEADER_CAUSATION = 'x-causation-id';

/** What came of reading a message as an event. */
export type Decoded =
  | { readonly valid: true; readonly envelope: Envelope; readonly body: unknown }
  | {
      readonly valid: false;
      /** The type it claims, if it claims one. */
      readonly type: string | undefined;
      readonly errors: readonly FieldIssue[];
      /** The parsed JSON body, or undefined when it is not JSON. */
      readonly body: unknown;
    };

/** Throws `event-invalid` with one issue per field when `data` do not fit the definition's schema. */
export function validate(definition: EventDefinition, data: unknown): void {
  const result = applySchema(definition.schema, data);
  if ('issues' in result) throw notValid(definition, result.issues);
}

/** The message of an envelope whose data are already known to be valid. Of `further` headers the event's own win. */
export function encode(
  definition: EventDefinition,
  envelope: Envelope,
  routingKey?: string,
  further?: Headers,
): OutgoingMessage {
  const flat = definition.wire === 'flat';
  const headers: Record<string, HeaderValue> = further === undefined ? {} : withoutOwn(further);
  if (envelope.version !== 1) headers[HEADER_VERSION] = envelope.version;
  if (!flat) headers[HEADER_TIME] = envelope.time;
  if (envelope.causationId !== undefined) headers[HEADER_CAUSATION] = envelope.causationId;
  if (envelope.traceparent !== undefined) headers.traceparent = envelope.traceparent;
  if (envelope.tracestate !== undefined) headers.tracestate = envelope.tracestate;
  const properties: { -readonly [K in keyof MessageProperties]: MessageProperties[K] } = {
    contentType: 'application/json',
    deliveryMode: 2,
    messageId: envelope.id,
    timestamp: secondsOf(envelope.time),
    type: envelope.type,
    headers,
  };
  if (envelope.source !== undefined) properties.appId = envelope.source;
  if (envelope.correlationId !== undefined) properties.correlationId = envelope.correlationId;
  const body = flat ? flatBody(envelope) : envelope.data;
  return {
    exchange: definition.exchange,
    routingKey: routingKey ?? definition.routingKey,
    body: Buffer.from(JSON.stringify(body)),
    properties,
  };
}

/** An own header that this event leaves out says something, too: no version is version 1. */
function withoutOwn(further: Headers): Record<string, HeaderValue> {
  const {
    [HEADER_VERSION]: _version,
    [HEADER_TIME]: _time,
    [HEADER_CAUSATION]: _causation,
    traceparent: _traceparent,
    tracestate: _tracestate,
    ...rest
  } = further;
  return rest;
}

/** Reads a message as an event of the catalog. Never throws: what is wrong comes back in `errors`. */
export function decode(catalog: Catalog, message: ReceivedMessage): Decoded {
  const text = parseBody(message.body);
  if ('error' in text) return invalid(claimedType(message, undefined), undefined, '', text.error);
  const body = text.value;
  const type = claimedType(message, body);
  if (type === undefined) {
    return invalid(
      undefined,
      body,
      '',
      'no event type: neither a "type" property nor "eventType" in the body',
    );
  }
  const definition =
    catalog.find(type) ??
    (message.properties.type === undefined ? undefined : catalog.find(message.routingKey));
  if (!definition) return invalid(type, body, '', `no event "${type}" in the catalog`);
  const version = readVersion(message);
  if (version !== definition.version) {
    return invalid(type, body, '', `version ${version} is not known (the catalog has ${definition.version})`);
  }
  const opened = openBody(definition, message, body);
  if ('errors' in opened) return { valid: false, type, errors: opened.errors, body };
  const result = applySchema(definition.schema, opened.data);
  if ('issues' in result) return { valid: false, type, errors: result.issues, body };
  return { valid: true, envelope: readEnvelope(definition, message, opened, result.data), body };
}

/**
 * Splits what a person or file gives as an event into data and time: the bare data, or a flat body with
 * `eventType` and `timestamp`. Throws `event-invalid` when the two name different events or the time is none.
 */
export function openInput(
  definition: EventDefinition,
  input: unknown,
): { data: unknown; time: Date | undefined } {
  if (definition.wire !== 'flat' || !isObject(input)) return { data: input, time: undefined };
  const opened = openFlat(definition, input);
  if ('errors' in opened) throw notValid(definition, opened.errors);
  return { data: opened.data, time: opened.time === undefined ? undefined : new Date(opened.time) };
}

/** JSON of a message body, with a text that says why it is not. */
export function parseBody(body: Buffer): { readonly value: unknown } | { readonly error: string } {
  let text: string;
  try {
    text = decodeUtf8(body);
  } catch {
    return { error: 'the body is not UTF-8 text' };
  }
  const parsed = parseJson(text);
  return 'value' in parsed ? parsed : { error: `the body is not JSON: ${parsed.problem}` };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text of the bytes; a TypeError when they are not UTF-8. */
export function decodeUtf8(bytes: Buffer): string {
  // Buffer's own decoder is several times faster, and only a replacement character leaves a doubt.
  const text = bytes.toString('utf8');
  return text.includes('\uFFFD') ? utf8.decode(bytes) : text;
}

interface OpenedBody {
  readonly data: unknown;
  readonly time: string | undefined;
}

function openBody(
  definition: EventDefinition,
  message: ReceivedMessage,
  body: unknown,
): OpenedBody | { readonly errors: readonly FieldIssue[] } {
  if (definition.wire === 'flat') {
    if (!isObject(body)) return { errors: [{ path: '', message: 'expected an object' }] };
    return openFlat(definition, body);
  }
  const time = message.properties.headers?.[HEADER_TIME];
  return { data: body, time: typeof time === 'string' && !Number.isNaN(Date.parse(time)) ? time : undefined };
}

function openFlat(
  definition: EventDefinition,
  body: Record<string, unknown>,
): OpenedBody | { readonly errors: readonly FieldIssue[] } {
  const { eventType, timestamp, ...data } = body;
  const errors: FieldIssue[] = [];
  if (eventType !== undefined && eventType !== definition.type) {
    errors.push({
      path: 'eventType',
      message: `expected "${definition.type}", got ${JSON.stringify(eventType)}`,
    });
  }
  if (timestamp !== undefined && (typeof timestamp !== 'string' || Number.isNaN(Date.parse(timestamp)))) {
    errors.push({ path: 'timestamp', message: 'expected an ISO 8601 date and time' });
  }
  if (errors.length > 0) return { errors };
  return { data, time: timestamp as string | undefined };
}

function readEnvelope(
  definition: EventDefinition,
  message: ReceivedMessage,
  opened: OpenedBody,
  data: unknown,
): Envelope {
  const { properties } = message;
  const causationId = properties.headers?.[HEADER_CAUSATION];
  const traceparent = properties.headers?.traceparent;
  const tracestate = properties.headers?.tracestate;
  const seconds = properties.timestamp;
  const time = opened.time ?? (seconds === undefined ? undefined : isoTimeOfSeconds(seconds));
  return {
    // A message without an id is known by its content, so that the same bytes are the same event.
    id: properties.messageId ?? `sha256-${createHash('sha256').update(message.body).digest('hex')}`,
    type: definition.type,
    version: definition.version,
    time: time ?? '',
    data,
    ...(properties.appId !== undefined && { source: properties.appId }),
    ...(properties.correlationId !== undefined && { correlationId: properties.correlationId }),
    ...(typeof causationId === 'string' && { causationId }),
    ...(isTraceparent(traceparent) && { traceparent }),
    ...(isTraceparent(traceparent) && typeof tracestate === 'string' && { tracestate }),
  };
}

/** The type that a message claims: its `type` property, else `eventType` of its body, else its routing key. */
function claimedType(message: ReceivedMessage, body: unknown): string | undefined {
  if (message.properties.type !== undefined && message.properties.type !== '') return message.properties.type;
  if (isObject(body) && typeof body.eventType === 'string') return body.eventType;
  return message.routingKey || undefined;
}

function readVersion(message: ReceivedMessage): unknown {
  const version = message.properties.headers?.[HEADER_VERSION];
  return version === undefined ? 1 : plainHeader(version);
}

function invalid(type: string | undefined, body: unknown, path: string, message: string): Decoded {
  return { valid: false, type, body, errors: [{ path, message }] };
}

function notValid({ type }: EventDefinition, issues: readonly FieldIssue[]): EventsError {
  return new EventsError('event-invalid', `Not a valid ${type}: ${describeIssues(issues)}`, { issues });
}

/** The envelope's type and time hold, also where the data (unknown fields are kept) have fields of these names. */
function flatBody({ type, time, data }: Envelope): object {
  const fields = data as object;
  const body = { eventType: type, timestamp: time, ...fields };
  if ('eventType' in fields || 'timestamp' in fields)
    Object.assign(body, { eventType: type, timestamp: time });
  return body;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
