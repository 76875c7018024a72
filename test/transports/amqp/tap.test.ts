import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { ReceivedMessage } from '../../../src/core/message.js';
import type { Transport } from '../../../src/core/transport.js';
import { eventually, gate } from '../../await.js';
import { rabbitInstalled, type SharedRabbit, sharedRabbit } from '../../brokers/shared.js';
import { makeQueue, open, openRaw, openThroughProxy, take, toQueue, unique } from './stage.js';

describe.skipIf(!rabbitInstalled)('tapping RabbitMQ', () => {
  let broker: SharedRabbit;
  beforeAll(async () => {
    broker = await sharedRabbit();
  });

  async function makeExchange(transport: Transport): Promise<string> {
    const name = unique('exchange');
    await transport.apply({
      exchanges: [{ name, type: 'topic', durable: true, autoDelete: false, arguments: {} }],
      queues: [],
      bindings: [],
    });
    onTestFinished(() => open(broker.url).transport.remove({ exchanges: [name] }));
    return name;
  }

  /** Everything a tap says, in order: bodies, and gaps in angle brackets. */
  function log(): {
    lines: string[];
    onMessage(message: ReceivedMessage): void;
    onGap(gap: { reason: string }): void;
  } {
    const lines: string[] = [];
    return {
      lines,
      onMessage: (message) => void lines.push(message.body.toString()),
      onGap: (gap) => void lines.push(`<${gap.reason}>`),
    };
  }

  const HEADERS = {
    int8: 1,
    uint8: { '!': 'uint8', value: 1 },
    int16: { '!': 'int16', value: 1 },
    uint16: { '!': 'uint16', value: 1 },
    int32: { '!': 'int32', value: 1 },
    uint32: { '!': 'uint32', value: 1 },
    int64: { '!': 'int64', value: 1 },
    large: { '!': 'int64', value: '9007199254740993' },
    float: { '!': 'float', value: 1 },
    double: { '!': 'double', value: 1 },
    timestamp: { '!': 'timestamp', value: 1_700_000_000 },
    decimal: { '!': 'decimal', value: { places: 2, digits: 314 } },
    text: 'text',
    none: null,
    list: [1, { '!': 'int64', value: 2 }, 'x'],
    table: { inner: { '!': 'uint8', value: 9 } },
  };

  it('headers come with the types they were published with, also through a second publish', async () => {
    const { transport } = open(broker.url);
    const exchange = await makeExchange(transport);
    const raw = await (await openRaw(broker.url)).createChannel();
    const seen: ReceivedMessage[] = [];
    await transport.tap(
      { bindings: [{ exchange, key: '#' }] },
      { onMessage: (message) => void seen.push(message), onGap() {} },
    );
    const queue = await makeQueue(transport);
    await raw.bindQueue(queue, exchange, 'k');
    raw.publish(exchange, 'k', Buffer.from('x'), {
      headers: { ...HEADERS, bytes: Buffer.from([0, 255]) },
      contentType: 'text/plain',
    });
    const expected = { ...HEADERS, bytes: { '!': 'bytes', value: 'AP8=' } };
    await eventually('the copy', () => seen.length === 1);
    expect(seen[0]?.properties.headers).toStrictEqual(expected);
    await transport.publish({
      exchange,
      routingKey: 'k',
      body: seen[0]?.body ?? Buffer.alloc(0),
      properties: JSON.parse(JSON.stringify(seen[0]?.properties)) as ReceivedMessage['properties'],
    });
    await eventually('the second copy', () => seen.length === 2);
    expect(seen[1]?.properties.headers).toStrictEqual(expected);
    const browsed: unknown[] = [];
    for await (const { properties } of transport.browse(queue)) browsed.push(properties.headers);
    expect(browsed).toStrictEqual([expected, expected]);
  });

  it('a tap takes nothing from a consumer', async () => {
    const { transport } = open(broker.url);
    const exchange = await makeExchange(transport);
    const queue = await makeQueue(transport);
    await transport.apply({ exchanges: [], queues: [], bindings: [{ exchange, queue, key: '#' }] });
    const heard = log();
    await transport.tap({ bindings: [{ exchange, key: '#' }] }, heard);
    for (const body of ['a', 'b']) await transport.publish({ ...toQueue('k', body), exchange });
    expect(await take(transport, queue, 2)).toEqual(['a', 'b']);
    await eventually('copies', () => heard.lines.length === 2);
    expect(heard.lines).toEqual(['a', 'b']);
  });

  it('a slow reader loses the oldest copies, is told once, and goes on', async () => {
    const { transport } = open(broker.url);
    const exchange = await makeExchange(transport);
    const heard = log();
    const slow = gate();
    await transport.tap(
      { bindings: [{ exchange, key: '#' }], bufferLimit: 10 },
      {
        ...heard,
        async onMessage(message) {
          heard.onMessage(message);
          await slow.opened;
        },
      },
    );
    for (let index = 0; index < 30; index++) {
      await transport.publish({ ...toQueue('k', String(index)), exchange });
    }
    slow.open();
    await eventually('the newest copy', () => heard.lines.at(-1) === '29');
    expect(heard.lines).toEqual(['0', '1', '2', '3', '4', '<overflow>', '25', '26', '27', '28', '29']);
  });

  it('no gap is told where none was', async () => {
    const { transport } = open(broker.url);
    const exchange = await makeExchange(transport);
    const heard = log();
    await transport.tap({ bindings: [{ exchange, key: '#' }], bufferLimit: 5_000 }, heard);
    const bodies = Array.from({ length: 1_000 }, (_, index) => String(index));
    await Promise.all(bodies.map((body) => transport.publish({ ...toQueue('k', body), exchange })));
    await eventually('all copies', () => heard.lines.length >= bodies.length);
    expect(heard.lines).toEqual(bodies);
  });

  it('after a lost connection the gap is told before the next copy', async () => {
    const { transport, notices, proxy } = await openThroughProxy(broker.url);
    const other = open(broker.url).transport;
    const exchange = await makeExchange(other);
    const heard = log();
    await transport.tap({ bindings: [{ exchange, key: '#' }] }, heard);
    await other.publish({ ...toQueue('k', 'before'), exchange });
    await eventually('the first copy', () => heard.lines.length === 1);
    proxy.cut();
    await eventually('the tap is back', async () => {
      // Unroutable until the tap has its new queue.
      await other.publish({ ...toQueue('k', 'after'), exchange });
      return heard.lines.includes('after');
    });
    expect(heard.lines.slice(0, 3)).toEqual(['before', '<lost>', 'after']);
    expect(notices.map(({ kind }) => kind)).toEqual(['lost', 'restored']);
  });

  it('a missing exchange rejects', async () => {
    const { transport } = open(broker.url);
    const tapping = transport.tap({ bindings: [{ exchange: unique('none'), key: '#' }] }, log());
    await expect(tapping).rejects.toMatchObject({ code: 'exchange-missing' });
  });

  it('a reader that throws ends the tap with its error', async () => {
    const { transport } = open(broker.url);
    const exchange = await makeExchange(transport);
    const subscription = await transport.tap(
      { bindings: [{ exchange, key: '#' }] },
      {
        onMessage() {
          throw new Error('disk full');
        },
        onGap() {},
      },
    );
    const ended = expect(subscription.ended).rejects.toThrow('disk full');
    await transport.publish({ ...toQueue('k', 'x'), exchange });
    await ended;
  });

  it('a stopped tap hands nothing over any more', async () => {
    const { transport } = open(broker.url);
    const exchange = await makeExchange(transport);
    const heard = log();
    const slow = gate();
    const subscription = await transport.tap(
      { bindings: [{ exchange, key: '#' }] },
      {
        ...heard,
        async onMessage(message) {
          heard.onMessage(message);
          await slow.opened;
        },
      },
    );
    for (const body of ['a', 'b', 'c']) await transport.publish({ ...toQueue('k', body), exchange });
    await eventually('the first copy', () => heard.lines.length === 1);
    await subscription.stop();
    slow.open();
    await subscription.close();
    expect(heard.lines).toEqual(['a']);
  });

  it('nothing is left behind once closed', async () => {
    const { transport } = open(broker.url);
    const exchange = await makeExchange(transport);
    const subscription = await transport.tap({ bindings: [{ exchange, key: '#' }] }, log());
    await subscription.close();
    const publish = transport.publish({ ...toQueue('k', 'x'), exchange });
    await expect(publish).rejects.toMatchObject({ code: 'unroutable' });
  });
});
