/** Headers keep their wire types on their way through delay and dead-letter queues; handlers see plain numbers. */
import { expect } from 'vitest';
import { type Headers, plainHeaders } from '../../../src/index.js';
import { eventually } from '../../await.js';
import { onBothBrokers, type Stage } from './stage.js';

const TYPED: Headers = {
  id: { '!': 'int64', value: '9007199254740993' },
  price: { '!': 'double', value: 1 },
  small: { '!': 'int32', value: 7 },
  nested: { at: [{ '!': 'uint16', value: 9 }] },
  since: { '!': 'timestamp', value: 1_700_000_000 },
  text: 'naïve',
};

/** One message of a queue with the exact types of its headers, left where it was. */
async function exactHeaders({ bus }: Stage, queue: string): Promise<Headers> {
  let found: Headers | undefined;
  const subscription = await bus.transport.consume(queue, { exactHeaders: true }, ({ message }) => {
    found = message.properties.headers;
  });
  const headers = await eventually('a message', () => found);
  await subscription.close();
  return headers;
}

onBothBrokers('headers with wire types', (test, stage) => {
  test('are the same on a retry copy and on a dead letter', async () => {
    const at = await stage();
    const { bus, names, options, send, ready } = at;
    const handlers = {
      async 'order.paid'() {
        throw new Error('no');
      },
    };
    const retrying = await bus.consume(names.queue, handlers, options({ retry: { delaysMs: [60_000] } }));
    await send('{"order":"A"}', { messageId: 'm', headers: TYPED });
    const delayQueue = `${names.queue}.retry.60000`;
    await eventually('its copy waits', async () => (await ready(delayQueue)) === 1);
    const { 'x-retry': retry, ...waiting } = await exactHeaders(at, delayQueue);
    expect(waiting).toEqual(TYPED);
    expect(plainHeaders({ retry: retry ?? null })).toMatchObject({ retry: { attempt: 1 } });
    await retrying.close();

    await bus.consume(names.queue, handlers, options({ retry: { delaysMs: [20], jitter: 0 } }));
    await send('{"order":"A"}', { messageId: 'm', headers: TYPED });
    await at.dead(1);
    const { 'x-failure': failure, ...dead } = await exactHeaders(at, names.dlq);
    expect(dead).toEqual(TYPED);
    expect(failure).toBeDefined();
  });

  test('are plain numbers for handlers, and what JavaScript has no value for stays as it is', async () => {
    const { bus, names, options, send, troubles } = await stage();
    const seen: (Headers | undefined)[] = [];
    await bus.consume(
      names.queue,
      {
        async 'order.paid'(_event, { message }) {
          seen.push(message.properties.headers);
          if (seen.length < 2) throw new Error('no');
        },
      },
      options(),
    );
    await send('{"order":"A"}', { messageId: 'm', headers: TYPED });
    await eventually('two attempts', () => seen.length === 2);
    const plain = {
      id: 9_007_199_254_740_992,
      price: 1,
      small: 7,
      nested: { at: [9] },
      since: { '!': 'timestamp', value: 1_700_000_000 },
      text: 'naïve',
    };
    expect(seen).toEqual([plain, plain]);
    expect(troubles).toEqual([]);
  });
});
