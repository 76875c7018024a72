import { expect, it } from 'vitest';
import { z } from 'zod';
import { startConsumer } from '../../../src/core/consuming/start-consumer.js';
import { EventsError } from '../../../src/core/errors.js';
import { defineCatalog, defineEvent } from '../../../src/core/events/catalog.js';
import { EMPTY_TOPOLOGY } from '../../../src/core/topology/model.js';
import type { Delivery, Settlement } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';

const catalog = defineCatalog(defineEvent({ type: 'a.b', exchange: 'e', schema: z.object({}) }));

/** A delivery whose acks storage refuses `refusals` times: a disk that is full for a while. */
function deliveryOn(refusals: number): { delivery: Delivery; acks: () => number } {
  let acks = 0;
  const settle = async (): Promise<Settlement> => {
    acks++;
    if (acks <= refusals) throw new EventsError('storage', 'no space left');
    return 'settled';
  };
  const message = {
    exchange: 'e',
    routingKey: 'a.b',
    body: Buffer.from('{}'),
    properties: {},
    redelivered: false,
  };
  return { delivery: { message, ack: settle, requeue: settle, reject: settle }, acks: () => acks };
}

async function consume(delivery: Delivery, handler: () => void) {
  let deliver: (delivery: Delivery) => void = () => {};
  const consumer = await startConsumer(
    {
      transport: {
        scheme: 'fake',
        counts: async () => ({ ready: 0, consumers: 0 }),
        apply: async () => {},
        publish: async () => {},
        async consume(_queue, _options, onDelivery) {
          deliver = onDelivery;
          return {
            stop: async () => {},
            close: async () => {},
            synchronise: async () => 'settled' as const,
            ended: new Promise(() => {}),
          };
        },
      },
      catalog,
      topology: EMPTY_TOPOLOGY,
    },
    'q',
    { 'a.b': handler },
  );
  deliver(delivery);
  return consumer;
}

it('an ack that storage refused is made again, and the handler does not run twice', async () => {
  const { delivery, acks } = deliveryOn(2);
  let handled = 0;
  const consumer = await consume(delivery, () => {
    handled++;
  });
  await eventually('the third ack is made', () => acks() === 3);
  expect(handled).toBe(1);
  await consumer.close();
});

it('closing ends the attempts: the message stays with the broker', async () => {
  const { delivery, acks } = deliveryOn(Number.POSITIVE_INFINITY);
  const consumer = await consume(delivery, () => {});
  await eventually('an ack was refused', () => acks() === 1);
  await consumer.close();
  await new Promise(setImmediate);
  expect(acks()).toBe(1);
});
