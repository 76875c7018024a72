/**
 * The frames of one basic.publish (AMQP 0-9-1, sections 4.2.3 and 4.2.6), written straight into a buffer. Only for
 * plain messages: ASCII strings, headers of plain values, a body of one frame. All else is amqplib's to encode and to
 * refuse. Its encoder makes five buffers of a message and takes 3 microseconds for an event; this takes 0.35.
 */
import type { MessageProperties, OutgoingMessage } from '../../core/message.js';
import { type Cursor, shortString, uint16, uint32, uint64 } from './cursor.js';
import { TABLE_BYTES, writeTable } from './plain-table.js';

/** The delivery mode of what says nothing else. */
export const DURABLE = 2;
/** Larger bodies gain nothing here. */
const MAX_BODY_BYTES = 8 * 1024;
/** Room that a plain message may need: 11 strings of 256 bytes, headers, a body, and less than 100. */
export const PLAIN_BYTES = 11 * 256 + TABLE_BYTES + MAX_BODY_BYTES + 100;

const METHOD_FRAME = 1;
const HEADER_FRAME = 2;
const BODY_FRAME = 3;
const FRAME_END = 0xce;
const FRAME_HEAD = 7;
const FRAME_OVERHEAD = 8;
const CLASS_BASIC = 60;
const METHOD_PUBLISH = 40;

/** False: not a plain message, and what lies behind `cursor.at` is to be ignored. */
export function writePublish(
  cursor: Cursor,
  channel: number,
  frameMax: number,
  message: OutgoingMessage,
): boolean {
  const { body, properties } = message;
  if (body.length > MAX_BODY_BYTES || body.length > frameMax - FRAME_OVERHEAD) return false;
  const start = cursor.at;
  const plain =
    writeMethod(cursor, channel, message) &&
    writeProperties(cursor, channel, properties, body.length) &&
    writeBody(cursor, channel, body);
  if (!plain) cursor.at = start;
  return plain;
}

function writeMethod(cursor: Cursor, channel: number, message: OutgoingMessage): boolean {
  const { bytes, at: start } = cursor;
  beginFrame(cursor, METHOD_FRAME, channel);
  uint16(bytes, start + 7, CLASS_BASIC);
  uint16(bytes, start + 9, METHOD_PUBLISH);
  uint16(bytes, start + 11, 0); // reserved
  cursor.at = start + 13;
  if (!shortString(cursor, message.exchange) || !shortString(cursor, message.routingKey)) return false;
  bytes[cursor.at++] = message.mandatory === false ? 0 : 1;
  endFrame(cursor, start);
  return true;
}

/** Each property has a bit, from the highest on in the order of the specification. */
function writeProperties(
  cursor: Cursor,
  channel: number,
  properties: MessageProperties,
  bodyLength: number,
): boolean {
  const { bytes, at: start } = cursor;
  beginFrame(cursor, HEADER_FRAME, channel);
  uint16(bytes, start + 7, CLASS_BASIC);
  uint16(bytes, start + 9, 0); // weight, unused
  uint64(bytes, start + 11, bodyLength);
  cursor.at = start + 21;
  const flags =
    text(cursor, properties.contentType, 0x8000) |
    text(cursor, properties.contentEncoding, 0x4000) |
    table(cursor, properties.headers, 0x2000) |
    octet(cursor, properties.deliveryMode ?? DURABLE, 0x1000) |
    octet(cursor, properties.priority, 0x0800) |
    text(cursor, properties.correlationId, 0x0400) |
    text(cursor, properties.replyTo, 0x0200) |
    text(cursor, properties.expiration, 0x0100) |
    text(cursor, properties.messageId, 0x0080) |
    seconds(cursor, properties.timestamp, 0x0040) |
    text(cursor, properties.type, 0x0020) |
    text(cursor, properties.userId, 0x0010) |
    text(cursor, properties.appId, 0x0008);
  if (flags < 0) return false;
  uint16(bytes, start + 19, flags);
  endFrame(cursor, start);
  return true;
}

function writeBody(cursor: Cursor, channel: number, body: Buffer): boolean {
  if (body.length === 0) return true; // then there is no such frame
  const start = cursor.at;
  beginFrame(cursor, BODY_FRAME, channel);
  cursor.bytes.set(body, cursor.at);
  cursor.at += body.length;
  endFrame(cursor, start);
  return true;
}

function beginFrame(cursor: Cursor, type: number, channel: number): void {
  cursor.bytes[cursor.at] = type;
  uint16(cursor.bytes, cursor.at + 1, channel);
  cursor.at += FRAME_HEAD;
}

function endFrame(cursor: Cursor, start: number): void {
  uint32(cursor.bytes, start + 3, cursor.at - start - FRAME_HEAD);
  cursor.bytes[cursor.at++] = FRAME_END;
}

/** The writers of properties give the flag when they wrote, 0 for nothing to write, and this for not plain. */
const NOT_PLAIN = -1;

function text(cursor: Cursor, value: string | undefined, flag: number): number {
  if (value === undefined) return 0;
  return shortString(cursor, value) ? flag : NOT_PLAIN;
}

function octet(cursor: Cursor, value: number | undefined, flag: number): number {
  if (value === undefined) return 0;
  if (!Number.isInteger(value) || value < 0 || value > 255) return NOT_PLAIN;
  cursor.bytes[cursor.at++] = value;
  return flag;
}

function seconds(cursor: Cursor, value: number | undefined, flag: number): number {
  if (value === undefined) return 0;
  if (!Number.isSafeInteger(value) || value < 0) return NOT_PLAIN;
  uint64(cursor.bytes, cursor.at, value);
  cursor.at += 8;
  return flag;
}

function table(cursor: Cursor, value: object | undefined, flag: number): number {
  if (value === undefined) return 0;
  if (value === null || typeof value !== 'object') return NOT_PLAIN;
  return writeTable(cursor, value) ? flag : NOT_PLAIN;
}
