/** Body and properties arrive exactly as they were published. */
import { randomBytes } from 'node:crypto';
import { describe, expect } from 'vitest';
import {
  type Headers,
  type MessageProperties,
  plainHeaders,
  type ReceivedMessage,
} from '../../../src/core/message.js';
import { eventually } from '../../await.js';
import type { Harness } from './harness.js';
import { at, type ContractTest, type Scene } from './scene.js';

const MIB = 1024 * 1024;

const UNICODE = 'žluťoučký kůň · 日本語 · 👩‍👩‍👧‍👦 · \u0000 · e\u0301';

/** One header of every kind that plain JavaScript has, nested and empty ones too. */
const PLAIN_HEADERS: Headers = {
  nothing: null,
  yes: true,
  no: false,
  zero: 0,
  int8: -128,
  int16: 32_767,
  int32: -2_147_483_648,
  int53: Number.MAX_SAFE_INTEGER,
  negative53: Number.MIN_SAFE_INTEGER,
  double: Math.PI,
  tiny: 5e-324,
  empty: '',
  text: UNICODE,
  'key with spaces and ünicode': 'value',
  list: [1, 'two', null, true, [], [3.5, ['deep']], { in: 'a list' }],
  emptyList: [],
  table: { a: { b: { c: [{ d: 'deep' }] } }, n: 1, missing: null },
  emptyTable: {},
};

/** Values whose wire type is not what their plain JavaScript value would travel as. */
const TYPED_HEADERS: Headers = {
  int16: { '!': 'int16', value: 5 },
  int32: { '!': 'int32', value: 5 },
  int64: { '!': 'int64', value: 5 },
  beyond53: { '!': 'int64', value: '9223372036854775807' },
  lowest: { '!': 'int64', value: '-9223372036854775808' },
  uint8: { '!': 'uint8', value: 200 },
  uint16: { '!': 'uint16', value: 60_000 },
  uint32: { '!': 'uint32', value: 4_000_000_000 },
  float: { '!': 'float', value: 1.5 },
  wholeDouble: { '!': 'double', value: 2 },
  timestamp: { '!': 'timestamp', value: 1_700_000_000 },
  decimal: { '!': 'decimal', value: { places: 2, digits: 12_345 } },
  bytes: { '!': 'bytes', value: Buffer.from([0, 255, 1, 128]).toString('base64') },
  list: [{ '!': 'int64', value: 7 }, { nested: { '!': 'timestamp', value: 1 } }],
};

export function payloadTests(test: ContractTest, harness: Harness): void {
  describe('payload and properties', () => {
    test('every property arrives as published', async ({ scene }) => {
      const properties: MessageProperties = {
        contentType: 'application/json; charset=utf-8',
        contentEncoding: 'gzip',
        headers: { attempt: 2 },
        deliveryMode: 1,
        priority: 7,
        correlationId: UNICODE,
        replyTo: 'amq.rabbitmq.not-really',
        expiration: '3600000',
        messageId: 'job-1-analysis.completed-1700000000000',
        timestamp: 1_700_000_000,
        type: 'analysis.completed',
        userId: connectionUser(scene),
        appId: 'analysis-worker',
      };
      const received = await roundTrip(scene, Buffer.from('{}'), properties);
      expect(received.properties).toStrictEqual(properties);
    });

    test('absent properties stay absent, but messages are persistent unless told otherwise', async ({
      scene,
    }) => {
      const received = await roundTrip(scene, Buffer.from('x'), {});
      expect(received.properties).toStrictEqual({ deliveryMode: 2 });
    });

    test('properties may be at the edge of their range', async ({ scene }) => {
      const properties: MessageProperties = {
        deliveryMode: 2,
        priority: 0,
        timestamp: 0,
        messageId: '',
        type: 'y'.repeat(255),
        correlationId: 'é'.repeat(127),
      };
      expect((await roundTrip(scene, Buffer.alloc(0), properties)).properties).toStrictEqual(properties);
    });

    test('exchange and routing key arrive with the message', async ({ scene }) => {
      const exchange = await scene.exchange('topic');
      const queue = await scene.queue();
      await scene.bind(exchange, queue, '#');
      const key = `a.${'ü'.repeat(100)}..z`;
      await scene.send(exchange, key, 'x');
      const message = at(await scene.take(queue, 1), 0);
      expect([message.exchange, message.routingKey, message.redelivered]).toEqual([exchange, key, false]);
    });

    test('an empty body stays empty', async ({ scene }) => {
      expect((await roundTrip(scene, Buffer.alloc(0), {})).body).toEqual(Buffer.alloc(0));
    });

    test('every byte value survives in a body', async ({ scene }) => {
      const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      expect((await roundTrip(scene, body, {})).body.equals(body)).toBe(true);
    });

    test('unicode text survives in a body', async ({ scene }) => {
      expect((await roundTrip(scene, Buffer.from(UNICODE), {})).body.toString()).toBe(UNICODE);
    });

    test('a body of 16 MiB arrives whole', async ({ scene }) => {
      const body = randomBytes(16 * MIB);
      expect((await roundTrip(scene, body, {})).body.equals(body)).toBe(true);
    });

    test('headers of every plain type arrive with their values', async ({ scene }) => {
      const received = await roundTrip(scene, Buffer.from('x'), { headers: PLAIN_HEADERS });
      expect(plainHeaders(received.properties.headers)).toStrictEqual(PLAIN_HEADERS);
    });

    test('empty headers are not the same as a header that is missing', async ({ scene }) => {
      const received = await roundTrip(scene, Buffer.from('x'), { headers: { empty: {} } });
      expect(plainHeaders(received.properties.headers)).toStrictEqual({ empty: {} });
    });

    test('a caller may reuse its buffer once the publish is confirmed', async ({ scene }) => {
      const queue = await scene.queue();
      const body = Buffer.from('first');
      await scene.transport.publish({ exchange: '', routingKey: queue, body, properties: {} });
      body.write('wrong');
      expect(at(await scene.take(queue, 1), 0).body.toString()).toBe('first');
    });

    if (harness.features.exactHeaderTypes) {
      test('typed headers reach a tap with the same wire types', async ({ scene }) => {
        expect((await tapped(scene, TYPED_HEADERS)).properties.headers).toStrictEqual(TYPED_HEADERS);
      });

      test('plain headers reach a tap as the same plain values', async ({ scene }) => {
        expect((await tapped(scene, PLAIN_HEADERS)).properties.headers).toStrictEqual(PLAIN_HEADERS);
      });
    } else {
      test('typed headers lose their wire types, as the feature flag says', async ({ scene }) => {
        expect((await tapped(scene, TYPED_HEADERS)).properties.headers).not.toStrictEqual(TYPED_HEADERS);
      });
    }
  });
}

async function roundTrip(
  scene: Scene,
  body: Buffer,
  properties: MessageProperties,
): Promise<ReceivedMessage> {
  const queue = await scene.queue();
  await scene.transport.publish({ exchange: '', routingKey: queue, body, properties });
  return at(await scene.take(queue, 1), 0);
}

async function tapped(scene: Scene, headers: Headers): Promise<ReceivedMessage> {
  const exchange = await scene.exchange('topic');
  const copies: ReceivedMessage[] = [];
  await scene.transport.tap(
    { bindings: [{ exchange, key: '#' }] },
    { onMessage: (message) => void copies.push(message), onGap: () => {} },
  );
  await scene.send(exchange, 'k', 'x', { headers });
  await eventually('a copy', () => copies.length > 0);
  return at(copies, 0);
}

/** The one user id that RabbitMQ lets through: the connection's own. */
function connectionUser(scene: Scene): string {
  const url = scene.harness.url();
  return url.startsWith('amqp') ? new URL(url).username : 'guest';
}
