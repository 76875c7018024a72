/** When messages are written to the socket, and that their order is kept whoever encodes them. */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { OutgoingMessage } from '../../../src/core/message.js';
import { Outbox } from '../../../src/transports/amqp/outbox.js';
import { eventually } from '../../await.js';
import { rabbitInstalled, sharedRabbit } from '../../brokers/shared.js';
import { makeQueue, open, openThroughProxy, take, toQueue } from './stage.js';

describe('the outbox', () => {
  function observed() {
    const writes: number[] = [];
    const outbox = new Outbox({
      channel: 1,
      frameMax: 131_072,
      write: (bytes) => writes.push(bytes.length),
      sendMessage() {
        throw new Error('only plain messages here');
      },
      isOpen: () => true,
    });
    const message = toQueue('queue', 'x'.repeat(1_000));
    return { writes, publish: () => outbox.publish(message) };
  }

  it('writes before the turn is over, so that the broker works while we encode', () => {
    const { writes, publish } = observed();
    for (let count = 0; count < 15; count++) publish();
    expect(writes).toEqual([]);
    for (let count = 0; count < 85; count++) publish();
    expect(writes.length).toBeGreaterThanOrEqual(5);
    expect(Math.max(...writes)).toBeLessThan(20_000);
  });

  it('writes the rest when the turn is over, in one piece', async () => {
    const { writes, publish } = observed();
    for (let count = 0; count < 3; count++) publish();
    const size = 3 * (22 + 23 + 1_008); // method, properties and body frame
    await turn();
    expect(writes).toEqual([size]);
    await turn();
    expect(writes).toEqual([size]);
  });
});

describe.skipIf(!rabbitInstalled)('the order of messages', () => {
  /** Plain ones, and each kind of those that amqplib encodes. */
  function assorted(queue: string, index: number): OutgoingMessage {
    const body = String(index);
    if (index % 7 === 3) return toQueue(queue, body, { headers: { index } });
    if (index % 11 === 5) return toQueue(queue, body, { type: 'größe' });
    if (index % 13 === 6) return toQueue(queue, body.padEnd(3_000));
    if (index % 17 === 8) return toQueue(queue, body.padEnd(20_000));
    if (index % 101 === 50) return toQueue(queue, body.padEnd(300_000));
    return toQueue(queue, body, { messageId: body, headers: { traceparent: '00-1-2-00' } });
  }

  const COUNT = 1_500;
  const IN_ORDER = Array.from({ length: COUNT }, (_, index) => String(index));

  it('is that of the calls, whatever they hold', async () => {
    const { transport } = open((await sharedRabbit()).url);
    const queue = await makeQueue(transport);
    await Promise.all(IN_ORDER.map((_, index) => transport.publish(assorted(queue, index))));
    const bodies = await take(transport, queue, COUNT);
    expect(bodies.map((body) => body.trimEnd())).toEqual(IN_ORDER);
  });

  it('is that of the calls for those that wait while there is no connection', async () => {
    const { transport, proxy, notices } = await openThroughProxy((await sharedRabbit()).url);
    const queue = await makeQueue(transport);
    await transport.publish(toQueue(queue, 'before'));
    proxy.refuse();
    proxy.cut();
    await eventually('it is lost', () =>
      notices.some((notice) => notice.kind === 'lost' && notice.role === 'publish'),
    );
    const waiting = IN_ORDER.map((_, index) => transport.publish(assorted(queue, index)));
    proxy.accept();
    await Promise.all(waiting);
    const bodies = await take(transport, queue, COUNT + 1);
    expect(bodies.map((body) => body.trimEnd())).toEqual(['before', ...IN_ORDER]);
  });
});
