import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  atma,
  type Bus,
  bind,
  connect,
  defineCatalog,
  defineEvent,
  exchange,
  queue,
  type Topology,
} from '../src/index.js';
import { eventually } from './await.js';
import { rabbitInstalled, sharedRabbit } from './brokers/shared.js';

const catalog = defineCatalog(
  defineEvent({
    type: 'stock.changed',
    exchange: 'connect_test.stock',
    schema: z.object({ sku: z.string(), left: z.coerce.number() }),
  }),
);
const topology: Topology = {
  exchanges: [exchange('connect_test.stock', 'topic'), exchange('connect_test.dlx', 'direct')],
  queues: [
    queue('connect_test.watch', {
      'x-dead-letter-exchange': 'connect_test.dlx',
      'x-dead-letter-routing-key': 'dead',
    }),
    queue('connect_test.dlq'),
  ],
  bindings: [
    ...bind('connect_test.stock', 'connect_test.watch', 'stock.*'),
    ...bind('connect_test.dlx', 'connect_test.dlq', 'dead'),
  ],
};

for (const kind of ['embedded', 'amqp'] as const) {
  describe.skipIf(kind === 'amqp' && !rabbitInstalled)(`a service on ${kind}`, () => {
    const releases: (() => Promise<void> | void)[] = [];
    afterEach(async () => {
      for (const release of releases.splice(0).reverse()) await release();
    });
    const open = async () => {
      let url: string;
      if (kind === 'amqp') url = (await sharedRabbit()).url;
      else {
        const folder = mkdtempSync(join(tmpdir(), 'atma-connect-'));
        releases.push(() => rmSync(folder, { recursive: true, force: true }));
        url = `embedded:${join(folder, 'broker.db')}`;
      }
      const bus = await connect({ url, catalog, topology, source: 'shop' });
      releases.push(async () => {
        await bus.transport.remove({
          queues: topology.queues.map(({ name }) => name),
          exchanges: topology.exchanges.map(({ name }) => name),
        });
        await bus.close();
      });
      await bus.setup();
      return bus;
    };

    it('publishes and consumes typed events; handlers get what the schema makes of the data', async () => {
      const bus = await open();
      const seen: unknown[] = [];
      await bus.consume('connect_test.watch', {
        async 'stock.changed'(event) {
          const left: number = event.data.left;
          seen.push({ ...event, data: { ...event.data, left } });
        },
      });
      const envelope = await bus.publish(
        'stock.changed',
        { sku: 'A', left: '3' },
        { correlationId: 'order-1' },
      );
      await eventually('the event is handled', () => seen.length === 1);
      expect(seen[0]).toEqual({ ...envelope, data: { sku: 'A', left: 3 } });
      expect(envelope).toMatchObject({ source: 'shop', correlationId: 'order-1', version: 1 });
      await eventually('it is acked', async () => (await countsOf(bus, 'connect_test.watch')) === 0);
    });

    it('carries correlation, causation and trace context from the event being handled', async () => {
      const bus = await open();
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
      const cause = await bus.publish(
        'stock.changed',
        { sku: 'A', left: 1 },
        { correlationId: 'c', traceparent },
      );
      const effect = await bus.publish('stock.changed', { sku: 'B', left: 2 }, { causedBy: cause });
      expect(effect).toMatchObject({ correlationId: 'c', causationId: cause.id, traceparent });
    });

    it.each([
      ['a handler that throws', { sku: 'throw', left: 1 }],
      ['a handler that rejects', { sku: 'reject', left: 1 }],
      ['an event that is not valid', { sku: 7 }],
    ])('dead-letters the event of %s and goes on', async (_name, data) => {
      const bus = await open();
      const reasons: string[] = [];
      let handled = 0;
      await bus.consume(
        'connect_test.watch',
        {
          'stock.changed'({ data: { sku } }) {
            if (sku === 'throw') throw new Error('thrown');
            if (sku === 'reject') return Promise.reject(new Error('rejected'));
            handled++;
          },
        },
        { retry: false, onDeadLetter: ({ message }) => reasons.push(message) },
      );
      await bus.transport.publish({
        exchange: 'connect_test.stock',
        routingKey: 'stock.changed',
        body: Buffer.from(JSON.stringify(data)),
        properties: { type: 'stock.changed' },
      });
      await bus.publish('stock.changed', { sku: 'fine', left: 1 });
      await eventually(
        'the bad one is dead, the good one handled',
        async () => handled === 1 && reasons.length === 1 && (await countsOf(bus, 'connect_test.dlq')) === 1,
      );
    });
  });
}

describe('a service that listens to nothing', () => {
  it('is warned of dead letters once a minute, without addresses of people', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'atma-connect-'));
    const bus = await connect({ url: `embedded:${join(folder, 'broker.db')}`, catalog, topology });
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    try {
      await bus.setup();
      await bus.consume(
        'connect_test.watch',
        {
          'stock.changed'() {
            throw new Error('no mail to ada@example.com\u001b[2J');
          },
        },
        { retry: false },
      );
      const publish = () => bus.publish('stock.changed', { sku: 'A', left: 1 }, { id: 'e-1' });
      await Promise.all([publish(), publish(), publish()]);
      await eventually('all are dead', async () => (await countsOf(bus, 'connect_test.dlq')) === 3);
      await eventually('a warning', () => warnings.length > 0);
      expect(warnings.map(({ name, message }) => `${name}: ${message}`)).toEqual([
        'EventDeadLettered: "e-1" in connect_test.watch was dead-lettered (exhausted, after 1 attempts): no mail to ***@example.com\\x1b[2J',
      ]);
    } finally {
      process.removeListener('warning', listen);
      await bus.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

async function countsOf(
  bus: Bus<never> | Pick<Bus<Record<string, never>>, 'transport'>,
  name: string,
): Promise<number | undefined> {
  return (await bus.transport.counts(name))?.ready;
}

describe('connect, for the compiler', () => {
  it('knows ATMA’s events without being told, and refuses wrong data', () => {
    const wrong = async () => {
      const bus = await connect({ preset: atma });
      // @ts-expect-error an event of ATMA has a job id that is a text
      await bus.publish('analysis.completed', { jobId: 7 });
      const plain = await connect();
      // @ts-expect-error no such event
      await plain.publish('analysis.done', {});
      // @ts-expect-error no such event to handle
      await plain.consume('q', { 'analysis.done': () => {} });
    };
    expect(wrong).toBeTypeOf('function');
  });
});

describe('connect', () => {
  it('rejects when its broker cannot be reached, without leaking the password', async () => {
    await expect(connect({ url: 'amqp://u:hush@127.0.0.1:1', startTimeoutMs: 100 })).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.not.stringContaining('hush'),
    });
  });
});
