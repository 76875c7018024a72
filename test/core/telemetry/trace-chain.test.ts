import { trace } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import { consumerTelemetry, messagingSystem } from '../../../src/core/telemetry.js';
import { gate, within } from '../../await.js';
import { envelopeOf, useShop } from './shop.js';

const { transport, publisher, register } = useShop();

it('a trace goes from a request through an event, its handler and what that publishes, to the next handler', async () => {
  const { span, spans } = register();
  const telemetry = consumerTelemetry({
    queue: 'orders',
    system: messagingSystem(transport().scheme),
    consumer: 'shop',
  });
  const { publish } = publisher();
  const paid = gate();
  const subscription = await transport().consume('orders', { prefetch: 1 }, (delivery) => {
    const envelope = envelopeOf(delivery.message);
    const handling = telemetry.run(envelope, delivery.message, async () => {
      if (envelope.type === 'order.placed') await publish('order.paid', { n: 1 }, { causedBy: envelope });
    });
    void handling.then(() => delivery.ack()).then(() => envelope.type === 'order.paid' && paid.open());
  });
  await trace.getTracer('test').startActiveSpan('request', async (request) => {
    await publish('order.placed', { n: 1 });
    request.end();
  });
  await within('both events are handled', paid.opened);
  await subscription.close();

  const chain = spans().filter(({ name }) => name !== 'request');
  const parents = new Map(chain.map((each) => [each.parentSpanContext?.spanId, each]));
  const path: string[] = [];
  for (
    let next = parents.get(span('request').spanContext().spanId);
    next;
    next = parents.get(next.spanContext().spanId)
  )
    path.push(`${next.name} ${next.attributes['atma_events.event.type']}`);
  expect(path).toEqual([
    'publish shop order.placed',
    'process orders order.placed',
    'publish shop order.paid',
    'process orders order.paid',
  ]);
});
