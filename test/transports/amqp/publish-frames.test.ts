/** Our encoder of plain messages says byte for byte what amqplib's says. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Headers, MessageProperties } from '../../../src/core/message.js';
import { forAmqplib } from '../../../src/transports/amqp/messages.js';
import { PLAIN_BYTES, writePublish } from '../../../src/transports/amqp/publish-frames.js';

interface AmqplibDefinitions {
  readonly BasicPublish: number;
  readonly BasicProperties: number;
  encodeMethod(id: number, channel: number, fields: object): Buffer;
  encodeProperties(id: number, channel: number, bodyLength: number, fields: object): Buffer;
}

const require = createRequire(import.meta.url);
const amqplib = join(require.resolve('amqplib'), '..', 'lib');
const definitions: AmqplibDefinitions = require(join(amqplib, 'defs.js'));
const { makeBodyFrame }: { makeBodyFrame(channel: number, body: Buffer): Buffer } = require(
  join(amqplib, 'frame.js'),
);

const CHANNEL = 0x1234;
const FRAME_MAX = 131_072;

function message(properties: MessageProperties = {}, rest: { readonly [field: string]: unknown } = {}) {
  const body = Buffer.from('{"a":1}');
  return { exchange: 'atma', routingKey: 'analysis.completed', body, properties, ...rest };
}

type Message = ReturnType<typeof message>;

/** Undefined when it is left to amqplib. */
function ours({ body, ...rest }: Message, frameMax = FRAME_MAX): Buffer | undefined {
  // Rubbish in it: every byte must be written.
  const cursor = { bytes: Buffer.alloc(PLAIN_BYTES + 10, 0xaa), at: 10 };
  const plain = writePublish(cursor, CHANNEL, frameMax, { ...rest, body });
  if (!plain) expect(cursor.at).toBe(10);
  return plain ? cursor.bytes.subarray(10, cursor.at) : undefined;
}

function theirs({ body, ...rest }: Message): Buffer {
  const fields = forAmqplib({ ...rest, body });
  return Buffer.concat([
    definitions.encodeMethod(definitions.BasicPublish, CHANNEL, fields),
    definitions.encodeProperties(definitions.BasicProperties, CHANNEL, body.length, fields),
    ...(body.length === 0 ? [] : [makeBodyFrame(CHANNEL, body)]),
  ]);
}

const EVERYTHING: MessageProperties = {
  contentType: 'application/json',
  contentEncoding: 'identity',
  headers: { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', empty: '', '': 'x' },
  deliveryMode: 2,
  priority: 255,
  correlationId: 'correlation',
  replyTo: 'amq.rabbitmq.reply-to',
  expiration: '60000',
  messageId: 'x'.repeat(255),
  timestamp: 1_732_000_000,
  type: 'analysis.completed',
  userId: 'guest',
  appId: 'analysis-worker',
};

const ENDS = [0, 127, 128, 32_767, 32_768, 2_147_483_647];

const DEAD: Headers = {
  'x-death': [
    {
      count: { '!': 'int64', value: 1 },
      reason: 'rejected',
      queue: 'notifications',
      time: { '!': 'timestamp', value: 1_732_000_000 },
      exchange: 'events',
      'routing-keys': ['analysis.completed'],
    },
  ],
  'x-first-death-queue': 'notifications',
  'x-replay': { id: 'k3v8m2qp', attempts: 5 },
};

describe('plain messages', () => {
  const single = Object.entries(EVERYTHING).map(([name, value]) => [name, { [name]: value }] as const);
  it.each<readonly [string, MessageProperties]>([
    ['no property but the delivery mode', {}],
    ['all properties', EVERYTHING],
    ...single,
    ['no header', { headers: {} }],
    ['a whole number', { headers: { attempt: 1 } }],
    [
      'numbers at the ends of their types',
      { headers: { numbers: [...ENDS, ...ENDS.map((end) => -end - 1)] } },
    ],
    ['true, false and nothing', { headers: { yes: true, no: false, none: null } }],
    ['tables and arrays in each other', { headers: { nested: { empty: {}, list: [[], {}, [{ a: 'b' }]] } } }],
    ['the headers of a dead letter', { headers: DEAD }],
    ['delivery mode 1', { deliveryMode: 1 }],
    ['the year 1970', { timestamp: 0 }],
    ['a time far away', { timestamp: Number.MAX_SAFE_INTEGER }],
  ])('with %s', (_name, properties) => {
    expect(ours(message(properties))).toEqual(theirs(message(properties)));
  });

  it.each([
    ['the default exchange', { exchange: '', routingKey: 'q' }],
    ['the longest names', { exchange: 'e'.repeat(255), routingKey: 'k'.repeat(255) }],
    ['no mandatory flag', { mandatory: false }],
    ['no body', { body: Buffer.alloc(0) }],
    ['the longest body', { body: Buffer.alloc(8 * 1024, 7) }],
  ])('with %s', (_name, rest) => {
    expect(ours(message({}, rest))).toEqual(theirs(message({}, rest)));
  });

  it('the largest fits into the room that is kept for it', () => {
    const text = 'x'.repeat(255);
    const headers = Object.fromEntries(
      Array.from({ length: 8 }, (_, index) => [`${index}${text.slice(1)}`, text]),
    );
    const texts = Object.entries(EVERYTHING).map(([name, value]) => [
      name,
      typeof value === 'string' ? text : value,
    ]);
    const properties: MessageProperties = { ...Object.fromEntries(texts), headers };
    const largest = message(properties, { exchange: text, routingKey: text, body: Buffer.alloc(8 * 1024) });
    expect(ours(largest)).toEqual(theirs(largest));
  });
});

describe('left to amqplib', () => {
  it.each<readonly [string, unknown]>([
    ['text that is not ASCII', { type: 'größe' }],
    ['a text that is too long', { messageId: 'x'.repeat(256) }],
    ['a text that is none', { type: 7 }],
    ['a priority out of range', { priority: 256 }],
    ['a priority that is no whole number', { priority: 0.5 }],
    ['a negative time', { timestamp: -1 }],
    ['a time beyond whole numbers', { timestamp: 2 ** 60 }],
    ['a time that is none', { timestamp: Number.NaN }],
    ['a header that is no whole number', { headers: { attempt: 0.5 } }],
    ['a header beyond 32 bits', { headers: { attempt: 2 ** 40 } }],
    ['a header of a rarer type', { headers: { share: { '!': 'float', value: 1 } } }],
    ['a number beyond whole numbers', { headers: { at: { '!': 'int64', value: '9223372036854775807' } } }],
    ['a table that is not plain', { headers: { nested: { deep: [{ raw: Buffer.alloc(1) }] } } }],
    ['a header of bytes', { headers: { raw: { '!': 'bytes', value: 'AA==' } } }],
    ['a header that is not ASCII', { headers: { größe: '1' } }],
    ['a long header', { headers: { text: 'x'.repeat(256) } }],
    ['headers of more than 4 KiB', { headers: { texts: Array.from({ length: 20 }, () => 'x'.repeat(255)) } }],
  ])('%s', (_name, properties) => {
    expect(ours(message(properties as MessageProperties))).toBeUndefined();
  });

  it('a body of more than 8 KiB, or than a frame holds', () => {
    expect(ours(message({}, { body: Buffer.alloc(8 * 1024 + 1) }))).toBeUndefined();
    expect(ours(message({}, { body: Buffer.alloc(4_089) }), 4_096)).toBeUndefined();
    expect(ours(message({}, { body: Buffer.alloc(4_088) }), 4_096)).toBeDefined();
  });
});
