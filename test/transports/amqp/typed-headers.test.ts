import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Headers } from '../../../src/core/message.js';
import { readContentHeader } from '../../../src/transports/amqp/content-header.js';
import { forAmqplib } from '../../../src/transports/amqp/messages.js';

const require = createRequire(import.meta.url);
const codec = require(join(require.resolve('amqplib'), '..', 'lib', 'codec.js')) as {
  encodeTable(buffer: Buffer, table: object, offset: number): number;
  decodeFields(table: Buffer): object;
};

/** A header table as amqplib writes it. */
function encode(table: object): Buffer {
  const buffer = Buffer.alloc(10_000);
  return buffer.subarray(0, codec.encodeTable(buffer, table, 0));
}

/** A table of one field `h` from raw value bytes, type tag first. */
function rawField(...bytes: number[]): Buffer {
  const table = Buffer.from([0, 0, 0, 0, 1, 'h'.charCodeAt(0), ...bytes]);
  table.writeUInt32BE(table.length - 4, 0);
  return table;
}

/** Wraps a table into the payload of a content-header frame, behind content type and encoding. */
function frame(table: Buffer): Buffer {
  const head = Buffer.alloc(14);
  head.writeUInt16BE(60, 0);
  head.writeUInt16BE(0xe000, 12);
  return Buffer.concat([head, Buffer.from('\x0aapplicatio\x04gzip', 'latin1'), table]);
}

function read(table: Buffer): Headers {
  return readContentHeader(frame(table), 0).properties.headers ?? {};
}

function publishedAgain(headers: Headers): Buffer {
  const fields = forAmqplib({
    exchange: '',
    routingKey: '',
    body: Buffer.alloc(0),
    properties: { headers },
  });
  return encode((fields as { readonly headers?: object }).headers ?? {});
}

function doubleBytes(value: number): number[] {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return [...bytes];
}

describe('headers with their wire types', () => {
  it.each([
    ['a boolean', rawField(0x74, 1), true],
    ['nothing', rawField(0x56), null],
    ['int8', rawField(0x62, 0x80), -128],
    ['uint8', rawField(0x42, 200), { '!': 'uint8', value: 200 }],
    ['int16 that needs 16 bits', rawField(0x73, 1, 0), 256],
    ['int16 that would fit in 8 bits', rawField(0x73, 0, 5), { '!': 'int16', value: 5 }],
    ['uint16', rawField(0x75, 0xff, 0xff), { '!': 'uint16', value: 65_535 }],
    ['int32 that needs 32 bits', rawField(0x49, 0, 1, 0, 0), 65_536],
    ['int32 that would fit in 8 bits', rawField(0x49, 0, 0, 0, 5), { '!': 'int32', value: 5 }],
    ['uint32', rawField(0x69, 0xff, 0xff, 0xff, 0xff), { '!': 'uint32', value: 4_294_967_295 }],
    ['int64 that needs 64 bits', rawField(0x6c, 0, 0, 0, 1, 0, 0, 0, 0), 4_294_967_296],
    ['int64 that would fit in 8 bits', rawField(0x6c, 0, 0, 0, 0, 0, 0, 0, 5), { '!': 'int64', value: 5 }],
    [
      'int64 beyond the safe integers',
      rawField(0x6c, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
      { '!': 'int64', value: '9223372036854775807' },
    ],
    ['a double with a fraction', rawField(0x64, ...doubleBytes(0.5)), 0.5],
    ['a double that looks like an integer', rawField(0x64, ...doubleBytes(1)), { '!': 'double', value: 1 }],
    ['minus zero', rawField(0x64, ...doubleBytes(-0)), { '!': 'double', value: '-0' }],
    ['not a number', rawField(0x64, ...doubleBytes(Number.NaN)), { '!': 'double', value: 'NaN' }],
    [
      'minus infinity',
      rawField(0x64, ...doubleBytes(Number.NEGATIVE_INFINITY)),
      { '!': 'double', value: '-Infinity' },
    ],
    ['a float', rawField(0x66, 0x3f, 0x80, 0, 0), { '!': 'float', value: 1 }],
    ['a timestamp', rawField(0x54, 0, 0, 0, 0, 0, 0, 0, 9), { '!': 'timestamp', value: 9 }],
    ['a decimal', rawField(0x44, 2, 0, 0, 1, 0), { '!': 'decimal', value: { places: 2, digits: 256 } }],
    ['text', rawField(0x53, 0, 0, 0, 2, 0xc3, 0xa9), 'é'],
    ['bytes', rawField(0x78, 0, 0, 0, 3, 0, 255, 1), { '!': 'bytes', value: 'AP8B' }],
    ['an array', rawField(0x41, 0, 0, 0, 5, 0x62, 1, 0x73, 0, 1), [1, { '!': 'int16', value: 1 }]],
    ['a table', rawField(0x46, 0, 0, 0, 4, 1, 0x61, 0x62, 7), { a: 7 }],
  ])('%s comes out as published and goes back as the same bytes', (_name, table, expected) => {
    const headers = read(table);
    expect(headers).toStrictEqual({ h: expected });
    const throughJson = JSON.parse(JSON.stringify(headers)) as Headers;
    expect(publishedAgain(throughJson).toString('hex')).toBe(table.toString('hex'));
  });

  it('text that is not UTF-8 comes out as bytes', () => {
    expect(read(rawField(0x53, 0, 0, 0, 2, 0xff, 0xfe))).toEqual({ h: { '!': 'bytes', value: '//4=' } });
  });

  it('a replacement character that was really there is text', () => {
    expect(read(rawField(0x53, 0, 0, 0, 3, 0xef, 0xbf, 0xbd))).toEqual({ h: '\ufffd' });
  });

  it('a header named __proto__ is a header', () => {
    const table = Buffer.concat([
      Buffer.from([0, 0, 0, 12, 9]),
      Buffer.from('__proto__'),
      Buffer.from([0x62, 1]),
    ]);
    expect(Object.entries(read(table))).toEqual([['__proto__', 1]]);
  });
});
