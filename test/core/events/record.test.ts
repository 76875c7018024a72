import { describe, expect, it } from 'vitest';
import { fromSavedRecord, toRecord, toSavedRecord } from '../../../src/core/events/record.js';
import type { ReceivedMessage } from '../../../src/core/message.js';
import { atma } from '../../../src/presets/atma.js';

const { catalog } = atma.build({});
const at = new Date('2026-01-01T00:00:00.000Z');

const save = (message: ReceivedMessage) =>
  JSON.stringify(toSavedRecord(toRecord(catalog, message, at).record, message));

describe('a saved message', () => {
  it.each([
    ['JSON with odd spacing and key order', Buffer.from('{ "b":1,\n "a" : 2 , "2":0, "1":0}')],
    ['numbers that JavaScript cannot hold', Buffer.from('{"n":12345678901234567890, "x":1.0}')],
    ['text that is not JSON', Buffer.from('halo \u0000\u001b[2J dunia\u2028')],
    ['a byte order mark', Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d])],
    ['bytes that are not UTF-8', Buffer.from([0x80, 0xff, 0x00, 0x01])],
    ['nothing', Buffer.alloc(0)],
  ])('comes back byte for byte: %s', (_name, body) => {
    const properties = {
      messageId: 'm-1',
      type: 'some.type',
      priority: 5,
      timestamp: 1704067200,
      expiration: '60000',
      deliveryMode: 1 as const,
      headers: {
        plain: 'text',
        wide: { '!': 'int64', value: '9007199254740993' },
        nested: { list: [1, null, true] },
      },
    };
    const message = { exchange: 'e', routingKey: 'k', body, properties, redelivered: false };
    const back = fromSavedRecord(JSON.parse(save(message)));
    expect(back).toEqual({ exchange: 'e', routingKey: 'k', body, properties });
  });

  it('is refused when only its event was edited, because its body is what would be sent', () => {
    const line = JSON.parse(
      save({
        exchange: 'e',
        routingKey: 'k',
        body: Buffer.from('{"a":1}'),
        properties: {},
        redelivered: false,
      }),
    );
    line.event.a = 2;
    expect(() => fromSavedRecord(line)).toThrow('differ');
  });
});

describe('a record', () => {
  it('has the documented fields, and errors only when invalid', () => {
    const body = Buffer.from('{"eventType":"analysis.completed"}');
    const message = {
      exchange: 'e',
      routingKey: 'k',
      body,
      properties: { headers: { n: { '!': 'int32', value: 3 } } },
      redelivered: false,
    };
    const { record } = toRecord(catalog, message, at);
    expect(Object.keys(record)).toEqual([
      'receivedAt',
      'exchange',
      'routingKey',
      'messageId',
      'type',
      'headers',
      'valid',
      'errors',
      'event',
    ]);
    expect(record).toMatchObject({
      receivedAt: '2026-01-01T00:00:00.000Z',
      messageId: null,
      type: 'analysis.completed',
      headers: { n: 3 },
      valid: false,
    });
  });
});
