/**
 * Field tables of plain values: what events, retries and dead letters carry. Bytes as amqplib writes them, whose encoder
 * takes 5 microseconds for the headers of a dead letter; this takes 1.
 */
import { type Cursor, shortString, uint16, uint32, uint64 } from './cursor.js';

/** A name of 256 bytes, and a text of 255 with its tag and length. */
const LONGEST_ENTRY = 516;
/** Room that a plain table may need. Also ends a table that contains itself. */
export const TABLE_BYTES = 4 + 8 * LONGEST_ENTRY;

const ARRAY = 0x41; // 'A'
const TABLE = 0x46; // 'F'
const INT32 = 0x49; // 'I'
const LONG_STRING = 0x53; // 'S'
const TIMESTAMP = 0x54; // 'T'
const VOID = 0x56; // 'V'
const INT8 = 0x62; // 'b'
const INT64 = 0x6c; // 'l'
const INT16 = 0x73; // 's'
const BOOLEAN = 0x74; // 't'

/** False: not a plain table, and what lies behind `cursor.at` is to be ignored. */
export function writeTable(cursor: Cursor, table: object): boolean {
  return entries(cursor, table, cursor.at + TABLE_BYTES - LONGEST_ENTRY);
}

/** No entry may begin behind `last`. */
function entries(cursor: Cursor, table: object, last: number): boolean {
  const start = cursor.at;
  const values = table as { readonly [name: string]: unknown };
  cursor.at += 4;
  for (const name in values) {
    const value = values[name];
    if (value === undefined) continue;
    if (cursor.at > last || !shortString(cursor, name) || !fieldValue(cursor, value, last)) return false;
  }
  uint32(cursor.bytes, start, cursor.at - start - 4);
  return true;
}

function items(cursor: Cursor, array: readonly unknown[], last: number): boolean {
  const start = cursor.at;
  cursor.at += 4;
  for (const value of array) if (cursor.at > last || !fieldValue(cursor, value, last)) return false;
  uint32(cursor.bytes, start, cursor.at - start - 4);
  return true;
}

function fieldValue(cursor: Cursor, value: unknown, last: number): boolean {
  switch (typeof value) {
    case 'string':
      return longString(cursor, value);
    case 'number':
      return integer(cursor, value);
    case 'boolean':
      tag(cursor, BOOLEAN);
      cursor.bytes[cursor.at++] = value ? 1 : 0;
      return true;
    case 'object':
      if (value === null) {
        tag(cursor, VOID);
        return true;
      }
      if (Array.isArray(value)) {
        tag(cursor, ARRAY);
        return items(cursor, value, last);
      }
      if (Buffer.isBuffer(value)) return false;
      if (Object.hasOwn(value, '!')) return typed(cursor, value as { '!'?: unknown; value?: unknown });
      tag(cursor, TABLE);
      return entries(cursor, value, last);
    default:
      return false;
  }
}

/** A short string, with four bytes for its length. */
function longString(cursor: Cursor, value: string): boolean {
  cursor.bytes[cursor.at] = LONG_STRING;
  cursor.at += 4;
  const lengthAt = cursor.at;
  if (!shortString(cursor, value)) return false;
  uint32(cursor.bytes, lengthAt - 3, cursor.at - lengthAt - 1);
  return true;
}

/** The smallest type that holds it. */
function integer(cursor: Cursor, value: number): boolean {
  if (!Number.isInteger(value)) return false;
  if (value >= -0x80 && value < 0x80) {
    tag(cursor, INT8);
    cursor.bytes[cursor.at++] = value;
  } else if (value >= -0x8000 && value < 0x8000) {
    tag(cursor, INT16);
    uint16(cursor.bytes, cursor.at, value);
    cursor.at += 2;
  } else if (value >= -0x8000_0000 && value < 0x8000_0000) {
    tag(cursor, INT32);
    uint32(cursor.bytes, cursor.at, value);
    cursor.at += 4;
  } else return false;
  return true;
}

/** Of the typed values, those that brokers write into `x-death`. */
function typed(cursor: Cursor, { '!': type, value }: { '!'?: unknown; value?: unknown }): boolean {
  if (type !== 'int64' && type !== 'timestamp') return false;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) return false;
  tag(cursor, type === 'int64' ? INT64 : TIMESTAMP);
  uint64(cursor.bytes, cursor.at, value);
  cursor.at += 8;
  return true;
}

function tag(cursor: Cursor, code: number): void {
  cursor.bytes[cursor.at++] = code;
}
