/** What browsing takes from consumers while it runs. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Transport } from '../../../src/core/transport.js';
import { chunkSize } from '../../../src/transports/amqp/browse.js';
import { eventually } from '../../await.js';
import { rabbitInstalled, type SharedRabbit, sharedRabbit } from '../../brokers/shared.js';
import { makeQueue, open, toQueue } from './stage.js';

const TOTAL = 300;

describe('how many messages are taken at once', () => {
  function chunks(total: number, averageBytes: number): number[] {
    const sizes: number[] = [];
    for (let left = total; left > 0; left -= sizes.at(-1) ?? left) {
      sizes.push(Math.min(left, chunkSize(sizes.length, left, averageBytes)));
    }
    return sizes;
  }

  it('few at first, then 200', () => {
    expect(chunks(700, 300)).toEqual([10, 20, 40, 80, 160, 200, 190]);
  });

  it('of a deep queue more, so that a quorum queue keeps the order of at most 32 chunks', () => {
    for (const total of [6_000, 100_000, 1_000_000]) {
      const sizes = chunks(total, 300);
      expect(sizes.length).toBeLessThanOrEqual(32);
      expect(sizes.slice(0, 6)).toEqual(expect.arrayContaining([10, 20, 40, 80, 160]));
    }
    expect(Math.max(...chunks(100_000, 300))).toBeLessThan(4_000);
  });

  it('of large messages no more than fit, whatever that does to the order', () => {
    expect(Math.max(...chunks(100_000, 1024 * 1024))).toBe(200);
    expect(Math.max(...chunks(100_000, 16 * 1024))).toBe(2_048);
  });

  it('never more than a prefetch can be', () => {
    expect(Math.max(...chunks(10_000_000, 10))).toBe(65_535);
  });
});

describe.skipIf(!rabbitInstalled)('browsing RabbitMQ', () => {
  let broker: SharedRabbit;
  beforeAll(async () => {
    broker = await sharedRabbit();
  });

  async function filledQueue(transport: Transport): Promise<string> {
    const queue = await makeQueue(transport);
    const bodies = Array.from({ length: TOTAL }, (_, index) => String(index));
    await Promise.all(bodies.map((body) => transport.publish(toQueue(queue, body))));
    return queue;
  }

  /** Messages that the queue has given out. */
  async function held(transport: Transport, queue: string): Promise<number> {
    return TOTAL - ((await transport.counts(queue))?.ready ?? 0);
  }

  it.each([
    { limit: 1, atFirst: 1 },
    { limit: 7, atFirst: 7 },
    { limit: undefined, atFirst: 10 },
  ])('with limit $limit, $atFirst are held when the first is read', async ({ limit, atFirst }) => {
    const { transport } = open(broker.url);
    const queue = await filledQueue(transport);
    const reading = transport.browse(queue, limit === undefined ? {} : { limit })[Symbol.asyncIterator]();
    const first = await reading.next();
    expect(first.value.body.toString()).toBe('0');
    expect(await held(transport, queue)).toBe(atFirst);
    await reading.return?.();
    await eventually('all is back', async () => (await held(transport, queue)) === 0);
  });

  it('with a limit never more than that is held', async () => {
    const { transport } = open(broker.url);
    const queue = await filledQueue(transport);
    const seen: number[] = [];
    for await (const _ of transport.browse(queue, { limit: 25 })) seen.push(await held(transport, queue));
    expect(seen).toEqual([...Array<number>(10).fill(10), ...Array<number>(15).fill(25)]);
  });
});
