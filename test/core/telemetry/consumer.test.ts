import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AlwaysOffSampler, ParentBasedSampler } from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EventsError } from '../../../src/core/errors.js';
import type { Envelope } from '../../../src/core/events/envelope.js';
import { consumerTelemetry } from '../../../src/core/telemetry.js';
import { registerSdk, type Sdk } from './sdk.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PUBLISHER = 'b7ad6b7169203331';

const envelope: Envelope = {
  id: 'e1',
  type: 'analysis.completed',
  version: 1,
  time: '2026-01-01T00:00:00.000Z',
  correlationId: 'c1',
  traceparent: `00-${TRACE}-${PUBLISHER}-01`,
  tracestate: 'vendor=1',
  data: {},
};
const { traceparent: _, tracestate: __, ...untraced } = envelope;
const message = { routingKey: 'analysis.completed' };
const telemetryOf = (now = Date.parse(envelope.time)) =>
  consumerTelemetry({ queue: 'q', system: 'rabbitmq', consumer: 'notifier', now: () => now });

const QUEUE = { 'messaging.system': 'rabbitmq', 'messaging.destination.name': 'q' };
const TYPE = { 'atma_events.event.type': 'analysis.completed' };

describe('with an SDK', () => {
  let sdk: Sdk;
  beforeEach(() => {
    sdk = registerSdk();
  });
  afterEach(() => sdk.unregister());

  describe('the span of a handler', () => {
    it('is a CONSUMER span, child of the one that published the event, and says what it handles', () => {
      expect(telemetryOf().run(envelope, message, () => 7)).toBe(7);
      const span = sdk.span('process q');
      expect(span.kind).toBe(SpanKind.CONSUMER);
      expect(span.spanContext().traceId).toBe(TRACE);
      expect(span.parentSpanContext).toMatchObject({ spanId: PUBLISHER, isRemote: true });
      expect(span.spanContext().traceState?.serialize()).toBe('vendor=1');
      expect(span.links.map((link) => link.context.spanId)).toEqual([PUBLISHER]);
      expect(span.attributes).toEqual({
        ...QUEUE,
        ...TYPE,
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.message.id': 'e1',
        'messaging.message.conversation_id': 'c1',
        'messaging.rabbitmq.destination.routing_key': 'analysis.completed',
        'messaging.client.id': 'notifier',
      });
      expect(span.status.code).toBe(SpanStatusCode.UNSET);
    });

    it('begins a trace of its own for an event without one, whatever was active when it came', () => {
      trace.getTracer('test').startActiveSpan('start-up', (startUp) => {
        telemetryOf().run(untraced, message, () => {});
        startUp.end();
      });
      const span = sdk.span('process q');
      expect(span.parentSpanContext).toBeUndefined();
      expect(span.links).toEqual([]);
      expect(span.spanContext().traceId).not.toBe(sdk.span('start-up').spanContext().traceId);
    });

    it('is active in the handler, across its awaits, and not after it', async () => {
      const inside: (string | undefined)[] = [];
      await telemetryOf().run(envelope, message, async () => {
        inside.push(trace.getActiveSpan()?.spanContext().spanId);
        await Promise.resolve();
        trace.getTracer('test').startSpan('query').end();
        inside.push(trace.getActiveSpan()?.spanContext().spanId);
      });
      const { spanId } = sdk.span('process q').spanContext();
      expect(inside).toEqual([spanId, spanId]);
      expect(sdk.span('query').parentSpanContext?.spanId).toBe(spanId);
      expect(trace.getActiveSpan()).toBeUndefined();
    });

    it('ends when the promise of the handler is settled, which is handed on as it is', async () => {
      let finish: () => void = () => {};
      const handling = new Promise<void>((resolve) => {
        finish = resolve;
      });
      expect(telemetryOf().run(envelope, message, () => handling)).toBe(handling);
      expect(sdk.spans()).toEqual([]);
      finish();
      await handling;
      expect(sdk.span('process q').status.code).toBe(SpanStatusCode.UNSET);
    });

    it.each([
      [
        'throws',
        () => {
          throw new TypeError('no such field');
        },
      ],
      ['rejects', () => Promise.reject(new TypeError('no such field'))],
    ])('fails when the handler %s, which the consumer is told as well', async (_how, handler) => {
      const run = async () => telemetryOf().run<unknown>(envelope, message, handler);
      await expect(run()).rejects.toThrow('no such field');
      const span = sdk.span('process q');
      expect(span.status).toEqual({ code: SpanStatusCode.ERROR, message: 'no such field' });
      expect(span.attributes['error.type']).toBe('TypeError');
      expect(span.events.map(({ name }) => name)).toEqual(['exception']);
    });

    it('fails, too, when the handler throws or rejects with nothing', async () => {
      const nothing: unknown = undefined;
      const throwing = () =>
        telemetryOf().run(envelope, message, () => {
          throw nothing;
        });
      expect(throwing).toThrow();
      await expect(telemetryOf().run(envelope, message, () => Promise.reject(nothing))).rejects.toBe(
        undefined,
      );
      expect(sdk.spans().map(({ status }) => status.code)).toEqual([
        SpanStatusCode.ERROR,
        SpanStatusCode.ERROR,
      ]);
    });
  });

  describe('what is measured', () => {
    it('counts deliveries, and how long after its event each comes, in seconds', async () => {
      const telemetry = telemetryOf(Date.parse('2026-01-01T00:01:30.500Z'));
      telemetry.delivered(envelope, false);
      telemetry.delivered(envelope, true);
      telemetry.delivered(undefined, false);
      const delivery = { ...QUEUE, 'messaging.operation.name': 'consume' };
      expect(await sdk.measured('messaging.client.consumed.messages')).toEqual([
        expect.objectContaining({ unit: '{message}', attributes: { ...delivery, ...TYPE }, value: 2 }),
        expect.objectContaining({ attributes: delivery, value: 1 }),
      ]);
      expect(await sdk.measured('atma_events.redeliveries')).toEqual([
        expect.objectContaining({ unit: '{message}', attributes: { ...delivery, ...TYPE }, value: 1 }),
      ]);
      expect(await sdk.measured('atma_events.lag')).toEqual([
        expect.objectContaining({
          unit: 's',
          attributes: { ...delivery, ...TYPE },
          value: { count: 2, sum: 181 },
        }),
      ]);
    });

    it('has no lag for an event from the future, and none where the event has no time', async () => {
      const telemetry = telemetryOf(Date.parse('2025-12-31T23:59:00.000Z'));
      telemetry.delivered(envelope, false);
      telemetry.delivered({ ...envelope, time: '' }, false);
      expect(await sdk.measured('atma_events.lag')).toEqual([
        expect.objectContaining({ value: { count: 1, sum: 0 } }),
      ]);
    });

    it('times handlers in seconds, and counts retries and dead letters by the kind of error', async () => {
      const telemetry = telemetryOf();
      const { type } = envelope;
      telemetry.processed(250, 'done', { type });
      telemetry.processed(500, 'retry', { type, error: new RangeError('user 17 is out of range') });
      telemetry.processed(1_000, 'dead', {
        type,
        error: new EventsError('timeout', 'took too long'),
        reason: 'exhausted',
      });
      telemetry.processed(undefined, 'dead', { reason: 'invalid' });
      telemetry.processed(undefined, 'dead', { error: 'user 17 has no address' });
      const named = Object.assign(new Error('no'), { name: 'x'.repeat(65) });
      telemetry.processed(undefined, 'dead', { error: named });

      const process = {
        ...QUEUE,
        ...TYPE,
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
      };
      expect(await sdk.measured('messaging.process.duration')).toEqual([
        expect.objectContaining({ unit: 's', attributes: process, value: { count: 1, sum: 0.25 } }),
        expect.objectContaining({
          attributes: { ...process, 'error.type': 'RangeError' },
          value: { count: 1, sum: 0.5 },
        }),
        expect.objectContaining({
          attributes: { ...process, 'error.type': 'timeout' },
          value: { count: 1, sum: 1 },
        }),
      ]);
      expect(await sdk.measured('atma_events.retries')).toEqual([
        expect.objectContaining({
          unit: '{message}',
          attributes: { ...QUEUE, ...TYPE, 'error.type': 'RangeError' },
          value: 1,
        }),
      ]);
      const dead = await sdk.measured('atma_events.dead_letters');
      expect(dead.map(({ attributes, value }) => ({ attributes, value }))).toEqual([
        {
          attributes: {
            ...QUEUE,
            ...TYPE,
            'error.type': 'timeout',
            'atma_events.failure.reason': 'exhausted',
          },
          value: 1,
        },
        {
          attributes: { ...QUEUE, 'error.type': 'invalid', 'atma_events.failure.reason': 'invalid' },
          value: 1,
        },
        { attributes: { ...QUEUE, 'error.type': '_OTHER' }, value: 2 },
      ]);
    });
  });
});

it('an SDK that is registered after the consumer was made, or after another, sees everything from then on', async () => {
  const telemetry = telemetryOf();
  const once = () => {
    telemetry.delivered(envelope, false);
    telemetry.run(envelope, message, () => {});
  };
  once();
  for (let registered = 0; registered < 2; registered++) {
    const sdk = registerSdk();
    try {
      once();
      expect(sdk.spans()).toHaveLength(1);
      expect(await sdk.measured('messaging.client.consumed.messages')).toEqual([
        expect.objectContaining({ value: 1 }),
      ]);
    } finally {
      await sdk.unregister();
    }
    once();
  }
});

it('a trace that was not sampled is passed on, and not recorded', async () => {
  const sdk = registerSdk({ sampler: new ParentBasedSampler({ root: new AlwaysOffSampler() }) });
  try {
    const unsampled = { ...envelope, traceparent: `00-${TRACE}-${PUBLISHER}-00` };
    const inside = telemetryOf().run(unsampled, message, () => trace.getActiveSpan()?.spanContext());
    expect(inside).toMatchObject({ traceId: TRACE, traceFlags: 0 });
    expect(sdk.spans()).toEqual([]);
  } finally {
    await sdk.unregister();
  }
});

it('without an SDK handlers are called as if there were no telemetry', async () => {
  const telemetry = telemetryOf();
  telemetry.delivered(envelope, true);
  telemetry.processed(5, 'dead', { error: new Error('no') });
  const failing = Promise.reject(new Error('no'));
  expect(telemetry.run(envelope, message, () => failing)).toBe(failing);
  await expect(failing).rejects.toThrow('no');
  expect(telemetry.run(envelope, message, () => context.active())).toBe(ROOT_CONTEXT);
  telemetry.close();
});
