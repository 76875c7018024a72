/** What browsing takes from consumers while it runs. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Transport } from '../../../src/core/transport.js';
import { eventually } from '../../await.js';
import { rabbitInstalled, type SharedRabbit, sharedRabbit } from '../../brokers/shared.js';
import { makeQueue, open, toQueue } from './stage.js';

const TOTAL = 300;

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
