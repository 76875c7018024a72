/**
 * Header tables with their wire types. amqplib's decoder forgets them (an int64 becomes a number, a
 * double 1 an integer), so a message published again would differ. Here every value that amqplib's
 * encoder would not write with the same type tag comes out as `{ '!': type, value }`.
 *
 * What cannot be kept: the order of header names that look like array indexes (JavaScript sorts them), a
 * string that is not UTF-8 (becomes `bytes`), and a nested table that itself has a key `!`.
 */
import type { Headers, HeaderValue } from '../../core/message.js';
import { knownText } from './known-text.js';

/** The header table that begins at `at` with its length. Throws on what is no table. */
export function readHeaders(bytes: Buffer, at: number): Headers {
  return new Reader(bytes, at).table();
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
      const name = knownText(this.bytes, this.at + 1, this.at + 1 + length);
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
        return this.text();
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

  private text(): HeaderValue {
    const end = this.end();
    const { at } = this;
    this.at = end;
    const known = knownText(this.bytes, at, end);
    // Only a decoding with replacement characters can have lost something.
    return known.includes('\ufffd') ? ofBytes(known, this.bytes.subarray(at, end)) : known;
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

function ofBytes(decoded: string, bytes: Buffer): HeaderValue {
  return Buffer.from(decoded, 'utf8').equals(bytes) ? decoded : typed('bytes', bytes.toString('base64'));
}
