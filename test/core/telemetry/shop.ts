/** What the tests of publishing with telemetry have in common: a shop with one queue, and an SDK that each test registers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { z } from 'zod';
import { defineCatalog, defineEvent } from '../../../src/core/events/catalog.js';
import { decode } from '../../../src/core/events/codec.js';
import type { Envelope } from '../../../src/core/events/envelope.js';
import type { ReceivedMessage } from '../../../src/core/message.js';
import { createPublisher } from '../../../src/core/publishing/publisher.js';
import { bind, exchange, queue } from '../../../src/core/topology/model.js';
import type { Transport } from '../../../src/core/transport.js';
import { createTransport } from '../../../src/transports/index.js';
import { gate, within } from '../../await.js';
import { registerSdk, type Sdk, type SdkParts } from './sdk.js';

const schema = z.looseObject({ n: z.number() });
const catalog = defineCatalog(
  defineEvent({ type: 'order.placed', exchange: 'shop', schema }),
  defineEvent({ type: 'order.paid', exchange: 'shop', schema }),
  defineEvent({ type: 'order.lost', exchange: 'shop', routingKey: 'nobody', schema }),
  defineEvent({ type: 'order.direct', exchange: '', routingKey: 'orders', schema }),
);

/** Sets the shop up for the tests of the file. */
export function useShop() {
  let folder: string;
  let transport: Transport;
  let sdk: Sdk | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'atma-telemetry-'));
    transport = await createTransport(`embedded:${join(folder, 'broker.db')}`);
    await transport.apply({
      exchanges: [exchange('shop', 'topic')],
      queues: [queue('orders')],
      bindings: bind('shop', 'orders', 'order.*'),
    });
  });
  afterEach(async () => {
    await sdk?.unregister();
    sdk = undefined;
  });
  afterAll(async () => {
    await transport.close();
    rmSync(folder, { recursive: true, force: true });
  });

  return {
    transport: () => transport,
    publisher: () => createPublisher(transport, catalog),
    /** An SDK until the end of the test. */
    register(parts?: SdkParts): Sdk {
      sdk = registerSdk(parts);
      return sdk;
    },
    /** Takes the next message off the queue, as the envelope a consumer would see. */
    async received(): Promise<Envelope> {
      const acked = gate();
      const taken: Envelope[] = [];
      const subscription = await transport.consume('orders', { prefetch: 1 }, (delivery) => {
        if (taken.length > 0) return; // goes back when the subscription is closed
        taken.push(envelopeOf(delivery.message));
        void delivery.ack().then(acked.open);
      });
      await within('a message arrives', acked.opened);
      await subscription.close();
      const [envelope] = taken;
      if (envelope === undefined) throw new Error('nothing was taken');
      return envelope;
    },
  };
}

export function envelopeOf(message: ReceivedMessage): Envelope {
  const decoded = decode(catalog, message);
  if (!decoded.valid) throw new Error('not a valid event');
  return decoded.envelope;
}
