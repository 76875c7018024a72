import {
  context,
  INVALID_SPAN_CONTEXT,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace-base';
import { describe, expect, it } from 'vitest';
import type { Envelope } from '../../../src/core/events/envelope.js';
import { useShop } from './shop.js';

const { publisher, received, register } = useShop();

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const GIVEN = `00-${TRACE}-b7ad6b7169203331-01`;
const cause: Envelope = {
  id: 'cause',
  type: 'order.placed',
  version: 1,
  time: '2026-01-01T00:00:00.000Z',
  traceparent: GIVEN,
  tracestate: 'vendor=1',
  data: {},
};

const traceparentOf = (span: { spanContext(): { traceId: string; spanId: string } }, flags = '01') =>
  `00-${span.spanContext().traceId}-${span.spanContext().spanId}-${flags}`;

describe('the span of a publish', () => {
  it('is a PRODUCER span, child of the active one, and travels with the event', async () => {
    const { span } = register();
    const published = await trace.getTracer('test').startActiveSpan('request', async (request) => {
      const envelope = await publisher().publish('order.placed', { n: 1 }, { correlationId: 'c1' });
      request.end();
      return envelope;
    });
    const own = span('publish shop');
    expect(own.kind).toBe(SpanKind.PRODUCER);
    expect(own.parentSpanContext?.spanId).toBe(span('request').spanContext().spanId);
    expect(own.status.code).toBe(SpanStatusCode.UNSET);
    expect(own.links).toEqual([]);
    expect(own.attributes).toEqual({
      'messaging.system': 'atma_embedded',
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'shop',
      'messaging.atma_embedded.destination.routing_key': 'order.placed',
      'messaging.message.id': published.id,
      'messaging.message.conversation_id': 'c1',
      'atma_events.event.type': 'order.placed',
    });
    expect(published.traceparent).toBe(traceparentOf(own));
    expect((await received()).traceparent).toBe(published.traceparent);
  });

  it('begins a trace where none is active', async () => {
    const { span } = register();
    const { traceparent } = await publisher().publish('order.placed', { n: 1 });
    expect(span('publish shop').parentSpanContext).toBeUndefined();
    expect(traceparent).toBe(traceparentOf(span('publish shop')));
    await received();
  });

  it('continues the trace of the event that caused it, where none is active', async () => {
    const { span } = register();
    const envelope = await publisher().publish('order.placed', { n: 1 }, { causedBy: cause });
    const own = span('publish shop');
    expect(own.spanContext().traceId).toBe(TRACE);
    expect(own.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    expect(envelope).toMatchObject({ traceparent: traceparentOf(own), tracestate: 'vendor=1' });
    expect(await received()).toMatchObject({ traceparent: envelope.traceparent, tracestate: 'vendor=1' });
  });

  it('leaves a trace context alone that the caller gave: a CLIENT span, linked to it', async () => {
    const { span } = register();
    const options = { traceparent: GIVEN, tracestate: 'mine=1' };
    const envelope = await trace.getTracer('test').startActiveSpan('request', async (request) => {
      const published = await publisher().publish('order.placed', { n: 1 }, options);
      request.end();
      return published;
    });
    const own = span('publish shop');
    expect(own.kind).toBe(SpanKind.CLIENT);
    expect(own.links.map((link) => link.context.spanId)).toEqual(['b7ad6b7169203331']);
    expect(own.parentSpanContext?.spanId).toBe(span('request').spanContext().spanId);
    expect(envelope).toMatchObject(options);
    expect(await received()).toMatchObject(options);
  });

  it('replaces a trace context that is none', async () => {
    const { span } = register();
    const { traceparent } = await publisher().publish('order.placed', { n: 1 }, { traceparent: '00-zz' });
    expect(traceparent).toBe(traceparentOf(span('publish shop')));
    await received();
  });

  it('passes on that the trace is not sampled', async () => {
    const { spans } = register({ sampler: new AlwaysOffSampler() });
    const { traceparent } = await publisher().publish('order.placed', { n: 1 });
    expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(spans()).toEqual([]);
    await received();
  });

  it('fails with the code of the error when the broker does not take the event', async () => {
    const { span } = register();
    await expect(publisher().publish('order.lost', { n: 1 })).rejects.toMatchObject({ code: 'unroutable' });
    const own = span('publish shop');
    expect(own.attributes['error.type']).toBe('unroutable');
    expect(own.status.code).toBe(SpanStatusCode.ERROR);
  });

  it('is the parent of what a handler publishes, rather than the event that caused it', async () => {
    const { span } = register();
    const envelope = await trace.getTracer('test').startActiveSpan('handler', async (handler) => {
      const published = await publisher().publish('order.placed', { n: 1 }, { causedBy: cause });
      handler.end();
      return published;
    });
    const own = span('publish shop');
    expect(own.parentSpanContext?.spanId).toBe(span('handler').spanContext().spanId);
    expect(envelope.traceparent).toBe(traceparentOf(own));
    expect(envelope).not.toHaveProperty('tracestate'); // that of the other trace
    expect(envelope.causationId).toBe('cause');
    await received();
  });

  it('fails, and counts nothing as sent, when the event cannot be written as JSON', async () => {
    const { span, measured } = register();
    await expect(publisher().publish('order.placed', { n: 1, big: 1n })).rejects.toThrow(TypeError);
    expect(span('publish shop').attributes['error.type']).toBe('TypeError');
    expect(await measured('messaging.client.sent.messages')).toEqual([]);
  });

  it('is none for an event that is not valid: nothing was sent', async () => {
    const { spans, measured } = register();
    const invalid = { n: 'one' } as unknown as { n: number };
    await expect(publisher().publish('order.placed', invalid)).rejects.toMatchObject({
      code: 'event-invalid',
    });
    expect(spans()).toEqual([]);
    expect(await measured('messaging.client.sent.messages')).toEqual([]);
  });
});

describe('what is measured of publishes', () => {
  it('is their number and their time until the confirm, by exchange, type and kind of error', async () => {
    const { measured } = register();
    const { publish } = publisher();
    await publish('order.placed', { n: 1 });
    await publish('order.placed', { n: 2 });
    await publish('order.direct', { n: 3 });
    await publish('order.lost', { n: 4 }).catch(() => {});
    for (let n = 0; n < 3; n++) await received();
    const about = (type: string, destination: string) => ({
      'messaging.system': 'atma_embedded',
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
      'messaging.destination.name': destination,
      'atma_events.event.type': type,
    });
    expect(await measured('messaging.client.sent.messages')).toEqual([
      expect.objectContaining({ unit: '{message}', attributes: about('order.placed', 'shop'), value: 2 }),
      expect.objectContaining({ attributes: about('order.direct', 'orders'), value: 1 }),
      expect.objectContaining({
        attributes: { ...about('order.lost', 'shop'), 'error.type': 'unroutable' },
        value: 1,
      }),
    ]);
    const [placed, ...others] = await measured('messaging.client.operation.duration');
    expect(placed).toMatchObject({ unit: 's', attributes: about('order.placed', 'shop') });
    expect(placed?.value).toMatchObject({ count: 2 });
    expect(others).toHaveLength(2);
  });

  it('leaves envelopes as they are where only metrics are registered', async () => {
    const { measured } = register({ traces: false });
    const plain = await publisher().publish('order.placed', { n: 1 });
    expect(plain).not.toHaveProperty('traceparent');
    const caused = await publisher().publish('order.placed', { n: 1 }, { causedBy: cause });
    expect(caused).toMatchObject({ traceparent: GIVEN, tracestate: 'vendor=1' });
    expect(await measured('messaging.client.sent.messages')).toHaveLength(1);
    await received();
    await received();
  });
});

describe('without an SDK', () => {
  it('nothing is added to an event, and what its cause or the caller gave goes with it', async () => {
    expect(await publisher().publish('order.placed', { n: 1 })).not.toHaveProperty('traceparent');
    expect(await received()).not.toHaveProperty('traceparent');
    await publisher().publish('order.placed', { n: 1 }, { causedBy: cause });
    expect(await received()).toMatchObject({ traceparent: GIVEN, tracestate: 'vendor=1' });
  });

  it('an active span that is none to refer to is not passed on', async () => {
    register({ traces: false, metrics: false });
    const nothing = trace.setSpanContext(ROOT_CONTEXT, INVALID_SPAN_CONTEXT);
    await context.with(nothing, () => publisher().publish('order.placed', { n: 1 }));
    expect(await received()).not.toHaveProperty('traceparent');
  });

  it('an active span of somebody else is passed on', async () => {
    register({ traces: false, metrics: false });
    const remote = { traceId: TRACE, spanId: 'b7ad6b7169203331', traceFlags: 1, isRemote: true };
    await context.with(trace.setSpanContext(ROOT_CONTEXT, remote), () =>
      publisher().publish('order.placed', { n: 1 }),
    );
    expect((await received()).traceparent).toBe(GIVEN);
  });
});
