import { trace } from '@opentelemetry/api';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connect } from '../../../src/connect.js';
import { PermanentError } from '../../../src/core/consuming/permanent-error.js';
import { atma } from '../../../src/presets/atma.js';
import { eventually } from '../../await.js';
import { describeOnBothBrokers } from '../../commands/brokers.js';
import { registerSdk, type Sdk } from './sdk.js';

describeOnBothBrokers('a bus under OpenTelemetry', (broker) => {
  let sdk: Sdk;
  beforeEach(() => {
    sdk = registerSdk();
  });
  afterEach(() => sdk.unregister());

  it('traces an event through its attempts to what its handler publishes, and counts what became of it', async () => {
    const bus = await connect({ url: broker.url(), environment: broker.env, source: 'notifier' });
    try {
      await bus.setup();
      const sample = <T extends 'analysis.started' | 'analysis.completed' | 'analysis.failed'>(type: T) =>
        atma.build(broker.env).catalog.get(type).sample as Parameters<typeof bus.publish<T>>[1];
      let attempts = 0;
      let done = 0;
      let dead = 0;
      const consumer = await bus.consume(
        broker.notifications,
        {
          'analysis.started': async (event) => {
            if (++attempts === 1) throw new TypeError('not yet');
            await bus.publish('analysis.completed', sample('analysis.completed'), { causedBy: event });
            await bus.publish('analysis.failed', sample('analysis.failed'), { causedBy: event });
          },
          'analysis.completed': () => {
            done++;
          },
          'analysis.failed': () => {
            throw new PermanentError('never');
          },
        },
        { retry: { delaysMs: [1] }, onDeadLetter: () => dead++ },
      );
      await trace.getTracer('test').startActiveSpan('request', async (request) => {
        await bus.publish('analysis.started', sample('analysis.started'));
        request.end();
      });
      await eventually('everything has come to its end', () => done === 1 && dead === 1);
      await eventually('every span has ended', () => sdk.spans().length === 8);

      const system = broker.name === 'amqp' ? 'rabbitmq' : 'atma_embedded';
      const spanOf = (name: string, type: string) =>
        sdk
          .spans()
          .filter((span) => span.name === name && span.attributes['atma_events.event.type'] === type);
      const publish = `publish ${broker.exchange}`;
      const process = `process ${broker.notifications}`;
      const [started] = spanOf(publish, 'analysis.started');
      expect(started?.parentSpanContext?.spanId).toBe(sdk.span('request').spanContext().spanId);
      const [first, second] = spanOf(process, 'analysis.started');
      expect([first, second].map((span) => span?.parentSpanContext?.spanId)).toEqual(
        Array(2).fill(started?.spanContext().spanId),
      );
      expect(first?.attributes).toMatchObject({
        'error.type': 'TypeError',
        'messaging.system': system,
        'messaging.client.id': 'notifier',
        [`messaging.${system}.destination.routing_key`]: 'analysis.started',
      });
      expect(second?.attributes).not.toHaveProperty('error.type');
      for (const type of ['analysis.completed', 'analysis.failed']) {
        const [published] = spanOf(publish, type);
        expect(published?.parentSpanContext?.spanId).toBe(second?.spanContext().spanId);
        const [handled] = spanOf(process, type);
        expect(handled?.parentSpanContext?.spanId).toBe(published?.spanContext().spanId);
      }

      const common = { 'messaging.system': system, 'messaging.destination.name': broker.notifications };
      expect(await sdk.measured('messaging.client.sent.messages')).toHaveLength(3);
      const consumed = await sdk.measured('messaging.client.consumed.messages');
      expect(
        Object.fromEntries(
          consumed.map(({ attributes, value }) => [attributes['atma_events.event.type'], value]),
        ),
      ).toEqual({ 'analysis.started': 2, 'analysis.completed': 1, 'analysis.failed': 1 });
      expect(await sdk.measured('atma_events.retries')).toMatchObject([
        { attributes: { ...common, 'error.type': 'TypeError' }, value: 1 },
      ]);
      expect(await sdk.measured('atma_events.dead_letters')).toMatchObject([
        {
          attributes: {
            ...common,
            'error.type': 'PermanentError',
            'atma_events.failure.reason': 'permanent',
          },
          value: 1,
        },
      ]);
      expect(await sdk.measured('atma_events.circuit.state')).toMatchObject([
        { attributes: { ...common, 'atma_events.circuit.state': 'closed' }, value: 1 },
      ]);
      await consumer.close();
      expect(await sdk.measured('atma_events.circuit.state')).toMatchObject([{ value: 0 }]);
    } finally {
      await bus.close();
      await broker.clean();
    }
  });
});
