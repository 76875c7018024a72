import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { EventsError } from '../../../src/core/errors.js';
import { defineCatalog, defineEvent } from '../../../src/core/events/catalog.js';
import { decode, encode } from '../../../src/core/events/codec.js';
import type { Envelope } from '../../../src/core/events/envelope.js';
import type { ReceivedMessage } from '../../../src/core/message.js';
import { createPublisher } from '../../../src/core/publishing/publisher.js';
import { atma } from '../../../src/presets/atma.js';

const { catalog } = atma.build({});
const own = defineCatalog(
  defineEvent({
    type: 'stock.changed',
    exchange: 'stock',
    version: 3,
    schema: z.object({ sku: z.string(), left: z.int() }),
  }),
);

const received = (message: Omit<ReceivedMessage, 'redelivered'>): ReceivedMessage => ({
  ...message,
  redelivered: false,
});

const envelopeOf = (type: string, version: number) => ({
  ...{ id: 'id-1', type, version },
  time: '2026-01-01T00:00:00.000Z',
});

const sample = () => structuredClone(catalog.get('analysis.completed').sample) as Record<string, unknown>;

describe('further headers of a publish', () => {
  const stock = own.get('stock.changed');
  const envelope = { ...envelopeOf(stock.type, 3), data: { sku: 'A', left: 1 } };

  it('stand beside those of the event, on both wires', () => {
    const further = { tenant: 'a', 'x-migration-epoch': { '!': 'int64', value: 4 } };
    expect(encode(stock, envelope, undefined, further).properties.headers).toEqual({
      ...further,
      'x-event-version': 3,
      'x-event-time': envelope.time,
    });
    const flat = catalog.get('analysis.completed');
    const started = { ...envelopeOf(flat.type, 1), data: sample() };
    const message = encode(flat, started, undefined, further);
    expect(message.properties.headers).toEqual(further);
    expect(Object.keys(JSON.parse(message.body.toString()))).not.toContain('tenant');
  });

  it('do not take the place of the event’s own, not even of those that it leaves out', () => {
    const further = {
      'x-event-version': 9,
      'x-event-time': '1999-01-01T00:00:00.000Z',
      'x-causation-id': 'another',
      traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
      tracestate: 'a=b',
    };
    expect(encode(stock, envelope, undefined, further).properties.headers).toEqual({
      'x-event-version': 3,
      'x-event-time': envelope.time,
    });
    const first = { ...envelope, version: 1 };
    expect(encode({ ...stock, version: 1 }, first, undefined, further).properties.headers).toEqual({
      'x-event-time': envelope.time,
    });
  });
});

describe('an ATMA event on the wire', () => {
  it('has the body, the message id and the properties that the worker sends today', async () => {
    const sent: unknown[] = [];
    const publisher = createPublisher({ publish: async (message) => void sent.push(message) }, catalog, {
      now: () => Date.parse('2024-01-01T00:00:00.123Z'),
    });
    const data = catalog.get('analysis.completed').sample as Parameters<
      typeof publisher.publish<'analysis.completed'>
    >[1];
    await publisher.publish('analysis.completed', data);
    const message = sent[0] as ReceivedMessage;
    expect(message.exchange).toBe('atma_events_exchange');
    expect(message.routingKey).toBe('analysis.completed');
    expect(JSON.parse(message.body.toString())).toEqual({
      eventType: 'analysis.completed',
      timestamp: '2024-01-01T00:00:00.123Z',
      jobId: '3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b',
      userId: '9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d',
      userEmail: 'user@example.com',
      resultId: '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed',
      metadata: { assessmentName: 'AI-Driven Talent Mapping', processingTime: 5000, retryCount: 0 },
    });
    expect(message.properties).toEqual({
      messageId: '3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b-analysis.completed-1704067200123',
      timestamp: 1704067200,
      deliveryMode: 2,
      contentType: 'application/json',
      type: 'analysis.completed',
      headers: {},
    });
  });

  it('is read when it carries nothing but today’s body and routing key', () => {
    const body = Buffer.from(
      JSON.stringify({ eventType: 'analysis.completed', timestamp: '2024-01-01T00:00:00.000Z', ...sample() }),
    );
    const decoded = decode(
      catalog,
      received({ exchange: 'e', routingKey: 'analysis.completed', body, properties: {} }),
    );
    expect(decoded).toMatchObject({
      valid: true,
      envelope: {
        type: 'analysis.completed',
        version: 1,
        time: '2024-01-01T00:00:00.000Z',
        data: { userEmail: 'user@example.com' },
      },
    });
    const again = decode(
      catalog,
      received({ exchange: 'e', routingKey: 'analysis.completed', body, properties: {} }),
    );
    expect(decoded.valid && again.valid && decoded.envelope.id === again.envelope.id).toBe(true);
  });

  it('names every field that is wrong', () => {
    const body = Buffer.from(
      JSON.stringify({ eventType: 'analysis.completed', ...sample(), jobId: 7, metadata: {} }),
    );
    const decoded = decode(
      catalog,
      received({ exchange: 'e', routingKey: 'analysis.completed', body, properties: {} }),
    );
    expect(decoded.valid).toBe(false);
    if (decoded.valid) return;
    expect(decoded.errors.map(({ path }) => path)).toEqual([
      'jobId',
      'metadata.assessmentName',
      'metadata.processingTime',
    ]);
  });

  it('is invalid when its body and its type property disagree', () => {
    const body = Buffer.from(JSON.stringify({ eventType: 'analysis.failed', ...sample() }));
    const decoded = decode(
      catalog,
      received({ exchange: 'e', routingKey: 'x', body, properties: { type: 'analysis.completed' } }),
    );
    expect(decoded).toMatchObject({ valid: false, errors: [{ path: 'eventType' }] });
  });
});

describe('an envelope', () => {
  const envelope: Envelope = {
    id: 'id-1',
    type: 'stock.changed',
    version: 3,
    time: '2026-01-02T03:04:05.678Z',
    source: 'warehouse',
    correlationId: 'order-9',
    causationId: 'id-0',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'vendor=1',
    data: { sku: 'A', left: 3 },
  };

  it('comes back whole from the message it became', () => {
    const message = encode(own.get('stock.changed'), envelope);
    expect(JSON.parse(message.body.toString())).toEqual({ sku: 'A', left: 3 });
    expect(decode(own, received(message))).toEqual({ valid: true, envelope, body: envelope.data });
  });

  it('drops a trace context that the recommendation does not allow', () => {
    const message = encode(own.get('stock.changed'), { ...envelope, traceparent: '00-0000-1-01' });
    const decoded = decode(own, received(message));
    expect(decoded.valid && 'traceparent' in decoded.envelope).toBe(false);
    expect(decoded.valid && 'tracestate' in decoded.envelope).toBe(false);
  });

  it('of a version that the catalog lacks is invalid', () => {
    const message = encode(own.get('stock.changed'), { ...envelope, version: 4 });
    expect(decode(own, received(message))).toMatchObject({
      valid: false,
      errors: [{ message: 'version 4 is not known (the catalog has 3)' }],
    });
  });
});

describe('a body that is no event', () => {
  const bytes = (body: Buffer) =>
    decode(catalog, received({ exchange: 'e', routingKey: 'analysis.completed', body, properties: {} }));

  it.each([
    ['empty', Buffer.alloc(0), 'not JSON'],
    ['text', Buffer.from('hello'), 'not JSON'],
    ['not UTF-8', Buffer.from([0xff, 0xfe, 0x00]), 'not UTF-8'],
    ['a number', Buffer.from('7'), 'expected an object'],
    ['an array', Buffer.from('[]'), 'expected an object'],
  ])('(%s) is reported, never thrown', (_name, body, message) => {
    const decoded = bytes(body);
    expect(decoded.valid).toBe(false);
    expect(!decoded.valid && decoded.errors[0]?.message).toContain(message);
  });

  it('with U+FFFD written out as UTF-8 is text like any other', () => {
    const body = Buffer.from(
      JSON.stringify({ eventType: 'analysis.completed', ...sample(), note: '\uFFFD' }),
    );
    expect(bytes(body).valid).toBe(true);
  });
});

describe('hostile or defective input', () => {
  it('nested thousands of levels deep is invalid, and never parsed into a value', () => {
    const body = Buffer.from('['.repeat(6000) + ']'.repeat(6000));
    const decoded = decode(
      catalog,
      received({ exchange: 'e', routingKey: 'analysis.completed', body, properties: {} }),
    );
    expect(decoded).toMatchObject({
      valid: false,
      body: undefined,
      errors: [{ message: 'the body is not JSON: nested deeper than 512 levels' }],
    });
  });

  it.each([2 ** 53, -(2 ** 53), 8_640_000_000_001])(
    'a timestamp of %d s, which no calendar reaches, is none',
    (timestamp) => {
      const decoded = decode(
        own,
        received({
          exchange: 'stock',
          routingKey: 'stock.changed',
          body: Buffer.from('{"sku":"a","left":1}'),
          properties: { timestamp, headers: { 'x-event-version': 3 } },
        }),
      );
      expect(decoded).toMatchObject({ valid: true, envelope: { time: '' } });
    },
  );

  it('brackets inside strings do not count as nesting', () => {
    const data = { ...sample(), note: '[{'.repeat(5000), quoted: '\\"'.repeat(600) };
    const body = Buffer.from(JSON.stringify({ eventType: 'analysis.completed', ...data }));
    const decoded = decode(
      catalog,
      received({ exchange: 'e', routingKey: 'analysis.completed', body, properties: {} }),
    );
    expect(decoded.valid).toBe(true);
  });

  it('a schema that throws makes the event invalid, not the process unhappy', () => {
    const strange = defineCatalog(
      defineEvent({
        type: 'odd.one',
        exchange: 'e',
        schema: z.object({ at: z.string().transform((text) => new Date(text).toISOString()) }),
      }),
    );
    const decoded = decode(
      strange,
      received({ exchange: 'e', routingKey: 'odd.one', body: Buffer.from('{"at":"never"}'), properties: {} }),
    );
    expect(decoded).toMatchObject({
      valid: false,
      errors: [{ message: 'the schema cannot be applied: Invalid time value' }],
    });
  });

  it('data cannot speak for the envelope', () => {
    const definition = catalog.get('analysis.completed');
    const data = { ...sample(), eventType: 'analysis.failed', timestamp: 'garbage' };
    const time = '2026-01-01T00:00:00.000Z';
    const message = encode(definition, { id: 'i', type: definition.type, version: 1, time, data });
    expect(decode(catalog, received(message))).toMatchObject({ valid: true, envelope: { time } });
  });
});

describe('publish, for the compiler', () => {
  it('takes right data and refuses wrong data', () => {
    const publisher = createPublisher({ publish: async () => {} }, own);
    const right = () => publisher.publish('stock.changed', { sku: 'A', left: 3 });
    // @ts-expect-error left is a number
    const wrongField = () => publisher.publish('stock.changed', { sku: 'A', left: 'three' });
    // @ts-expect-error no such event
    const wrongType = () => publisher.publish('stock.gone', { sku: 'A', left: 3 });
    expect([right, wrongField, wrongType]).toHaveLength(3);
  });

  it('gives the id to publish again with when the outcome is unknown', async () => {
    const failing = createPublisher(
      { publish: () => Promise.reject(new EventsError('publish-unknown', 'lost')) },
      own,
      { randomId: () => 'the-id' },
    );
    await expect(failing.publish('stock.changed', { sku: 'A', left: 3 })).rejects.toMatchObject({
      code: 'publish-unknown',
      eventId: 'the-id',
    });
  });

  it('refuses wrong data at run time too, before anything is sent', async () => {
    let sent = 0;
    const publisher = createPublisher({ publish: async () => void sent++ }, own);
    await expect(publisher.publish('stock.changed', { sku: 'A', left: 1.5 })).rejects.toMatchObject({
      code: 'event-invalid',
      issues: [{ path: 'left' }],
    });
    expect(sent).toBe(0);
  });
});
