/** What amqplib's encoder writes is read back as it was, wherever in a buffer it lies. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MessageProperties } from '../../../src/core/message.js';
import { readContentHeader } from '../../../src/transports/amqp/content-header.js';
import { forAmqplib } from '../../../src/transports/amqp/messages.js';

const require = createRequire(import.meta.url);
const definitions: {
  readonly BasicProperties: number;
  encodeProperties(id: number, channel: number, bodyLength: number, fields: object): Buffer;
} = require(join(require.resolve('amqplib'), '..', 'lib', 'defs.js'));

const FRAME_HEAD = 7;

/** A whole frame as amqplib writes it, with rubbish around it. */
function frameOf(properties: object, size: number): Buffer {
  const frame = definitions.encodeProperties(definitions.BasicProperties, 1, size, properties);
  return Buffer.concat([Buffer.alloc(5, 0xaa), frame, Buffer.alloc(5, 0xaa)]);
}

function readAgain(properties: MessageProperties, size = 0) {
  const fields = forAmqplib({ exchange: '', routingKey: '', body: Buffer.alloc(0), properties });
  return readContentHeader(frameOf(fields, size), 5 + FRAME_HEAD);
}

const EVERYTHING: Required<MessageProperties> = {
  contentType: 'application/json',
  contentEncoding: 'identity',
  headers: { traceparent: '00-1-2-00', nested: { list: [1, 'two', null, { '!': 'timestamp', value: 3 }] } },
  deliveryMode: 2,
  priority: 255,
  correlationId: 'correlation',
  replyTo: 'amq.rabbitmq.reply-to',
  expiration: '60000',
  messageId: 'größe-'.repeat(20),
  timestamp: 1_732_000_000,
  type: 'analysis.completed',
  userId: 'guest',
  appId: 'analysis-worker',
};

describe('content headers', () => {
  it('has every property, in its own shape', () => {
    expect(readAgain(EVERYTHING).properties).toStrictEqual(EVERYTHING);
  });

  it.each(Object.keys(EVERYTHING) as (keyof MessageProperties)[])('reads %s alone', (name) => {
    const alone = { deliveryMode: 1 as const, [name]: EVERYTHING[name] };
    expect(readAgain(alone).properties).toStrictEqual(alone);
  });

  it('has nothing that was not on the wire', () => {
    expect(readContentHeader(frameOf({}, 0), 5 + FRAME_HEAD).properties).toStrictEqual({});
  });

  it.each([0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1])('knows a body of %d bytes', (size) => {
    const payload = Buffer.alloc(14);
    payload.writeBigUInt64BE(BigInt(size), 4);
    expect(readContentHeader(payload, 0).size).toBe(size);
  });

  it('a timestamp beyond what a double holds is the nearest, as with amqplib', () => {
    const payload = Buffer.alloc(22);
    payload.writeUInt16BE(0x0040, 12);
    payload.writeBigUInt64BE(2n ** 64n - 1n, 14);
    expect(readContentHeader(payload, 0).properties.timestamp).toBe(2 ** 64);
  });

  it('throws on what ends too early', () => {
    expect(() => readContentHeader(Buffer.alloc(13), 0)).toThrow(RangeError);
    const payload = Buffer.alloc(14);
    payload.writeUInt16BE(0x8000, 12);
    expect(() => readContentHeader(payload, 0)).toThrow(RangeError);
  });
});
