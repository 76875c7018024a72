/**
 * Header tables with their wire types. amqplib's decoder forgets them (an int64 becomes a number, a
 * double 1 an integer), so a message published again would differ. Here every value that amqplib's
 * encoder would not write with the same type tag comes out as `{ '!': type, value }`.
 *
 * What cannot be kept: the order of header names that look like array indexes (JavaScript sorts them), a
 * string that is not UTF-8 (becomes `bytes`), and a nested table that itself has a key `!`.
 */
import type { Headers, HeaderValue } from '../../core/message.js';

const HAS_CONTENT_TYPE = 0x8000;
const HAS_CONTENT_ENCODING = 0x4000;
const HAS_HEADERS = 0x2000;

/** Headers of a content-header frame's payload (class, weight, size, flags, properties), or undefined. */
export function headersOf(payload: Buffer): Headers | undefined {
  const table = tableIn(payload);
  return table === undefined ? undefined : new Reader(payload, table).table();
}

/** Whether amqplib's decoder may have lost something of the headers in the same payload. */
export function mayHaveLostTypes(payload: Buffer): boolean {
  const table = tableIn(payload);
  return table !== undefined && !isPlain(payload, table);
}

/** Where the header table begins. */
function tableIn(payload: Buffer): number | undefined {
  const flags = payload.readUInt16BE(12);
  if ((flags & HAS_HEADERS) === 0) return undefined;
  let offset = 14;
  if ((flags & HAS_CONTENT_TYPE) !== 0) offset += 1 + payload.readUInt8(offset);
  if ((flags & HAS_CONTENT_ENCODING) !== 0) offset += 1 + payload.readUInt8(offset);
  return offset;
}

const TAG_TEXT = 0x53; // S
const TAG_BOOLEAN = 0x74; // t
const TAG_INT8 = 0x62; // b
const TAG_NULL = 0x56; // V
const UNDERSCORE = 0x5f;

/**
 * Whether the table holds nothing but ASCII text, truths, null and integers of the smallest type, which amqplib reads as
 * they are. Most tables are like that, and looking is several times faster than reading: consumers do it per delivery.
 */
function isPlain(bytes: Buffer, at: number): boolean {
  const end = at + 4 + bytes.readUInt32BE(at);
  let offset = at + 4;
  while (offset < end) {
    const name = offset + 1;
    offset = name + bytes.readUInt8(offset);
    if (bytes[name] === UNDERSCORE) return false; // maybe `__proto__`
    const tag = bytes[offset++];
    if (tag === TAG_TEXT) {
      const text = offset + 4;
      offset = text + bytes.readUInt32BE(offset);
      for (let index = text; index < offset; index++) if ((bytes[index] ?? 0) > 0x7f) return false;
    } else if (tag === TAG_BOOLEAN || tag === TAG_INT8) offset++;
    else if (tag !== TAG_NULL) return false;
  }
  return true;
}

class Reader {
  constructor(
    private readonly bytes: Buffer,
    private at: number,
  ) {}

  table(): Headers {
    const end = this.end();
    const headers: Record<string, HeaderValue> = {};
    while (this.at < end) {
      const length = this.bytes.readUInt8(this.at);
      const name = this.bytes.toString('utf8', this.at + 1, this.at + 1 + length);
      this.at += 1 + length;
      const value = this.value();
      // An assignment to `__proto__` would not make a property.
      if (name === '__proto__') Object.defineProperty(headers, name, { value, enumerable: true });
      else headers[name] = value;
    }
    return headers;
  }

  private value(): HeaderValue {
    const tag = String.fromCharCode(this.bytes.readUInt8(this.at++));
    switch (tag) {
      case 't':
        return this.bytes.readUInt8(this.skip(1)) !== 0;
      case 'b':
        return this.bytes.readInt8(this.skip(1));
      case 'B':
        return typed('uint8', this.bytes.readUInt8(this.skip(1)));
      case 's':
        return integer('int16', this.bytes.readInt16BE(this.skip(2)));
      case 'u':
        return typed('uint16', this.bytes.readUInt16BE(this.skip(2)));
      case 'I':
        return integer('int32', this.bytes.readInt32BE(this.skip(4)));
      case 'i':
        return typed('uint32', this.bytes.readUInt32BE(this.skip(4)));
      case 'l':
        return long(this.bytes.readBigInt64BE(this.skip(8)));
      case 'f':
        return typed('float', writable(this.bytes.readFloatBE(this.skip(4))));
      case 'd':
        return double(this.bytes.readDoubleBE(this.skip(8)));
      case 'T':
        return typed('timestamp', exact(this.bytes.readBigUInt64BE(this.skip(8))));
      case 'D':
        return typed('decimal', {
          places: this.bytes.readUInt8(this.skip(1)),
          digits: this.bytes.readUInt32BE(this.skip(4)),
        });
      case 'S':
        return text(this.slice());
      case 'x':
        return typed('bytes', this.slice().toString('base64'));
      case 'F':
        return this.table();
      case 'A':
        return this.array();
      case 'V':
        return null;
      default:
        throw new TypeError(`unknown type "${tag}" in a header table`);
    }
  }

  private array(): HeaderValue[] {
    const end = this.end();
    const values: HeaderValue[] = [];
    while (this.at < end) values.push(this.value());
    return values;
  }

  private slice(): Buffer {
    const end = this.end();
    const slice = this.bytes.subarray(this.at, end);
    this.at = end;
    return slice;
  }

  /** Where the length-prefixed part that starts here ends. */
  private end(): number {
    const length = this.bytes.readUInt32BE(this.skip(4));
    return this.at + length;
  }

  private skip(count: number): number {
    const start = this.at;
    this.at += count;
    return start;
  }
}

function typed(type: string, value: HeaderValue): HeaderValue {
  return { '!': type, value };
}

/** amqplib writes an integer with the smallest type that holds it. */
function smallestInteger(value: number): string {
  if (value >= -0x80 && value < 0x80) return 'int8';
  if (value >= -0x8000 && value < 0x8000) return 'int16';
  if (value >= -0x80000000 && value < 0x80000000) return 'int32';
  return 'int64';
}

function integer(type: string, value: number): HeaderValue {
  return smallestInteger(value) === type ? value : typed(type, value);
}

function long(value: bigint): HeaderValue {
  const number = exact(value);
  return typeof number === 'string' ? typed('int64', number) : integer('int64', number);
}

function exact(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** Same test as amqplib's `isFloatingPoint`. */
function double(value: number): HeaderValue {
  const plain = value >= 2 ** 63 || (Math.abs(value) < 2 ** 50 && Math.floor(value) !== value);
  return plain && Number.isFinite(value) ? value : typed('double', writable(value));
}

/** JSON has no NaN, Infinity or -0; as text they survive it, and `writeDoubleBE` reads them back. */
function writable(value: number): number | string {
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? value : String(value);
}

function text(bytes: Buffer): HeaderValue {
  const decoded = bytes.toString('utf8');
  // Only a decoding with replacement characters can have lost something.
  if (decoded.includes('\ufffd') && !Buffer.from(decoded, 'utf8').equals(bytes)) {
    return typed('bytes', bytes.toString('base64'));
  }
  return decoded;
}
