import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../await.js';
import { findRabbitServer, type RabbitBroker, startRabbit } from '../../brokers/rabbitmq.js';
import { makeQueue, open, openRaw, openThroughProxy, take, toQueue, unique } from './stage.js';

const MAX_MESSAGE = 1024 * 1024;

describe.skipIf(!findRabbitServer())('publishing to RabbitMQ', () => {
  let broker: RabbitBroker;
  beforeAll(async () => {
    broker = await startRabbit({ config: [`max_message_size = ${MAX_MESSAGE}`] });
    return () => broker.stop();
  });

  function outcomes(publishes: readonly Promise<void>[]): Promise<string[]> {
    return Promise.all(
      publishes.map((publish) =>
        publish.then(
          () => 'confirmed',
          (error: { code?: string }) => error.code ?? String(error),
        ),
      ),
    );
  }

  /** Through the management API: rabbitmqctl starts a virtual machine for each call. */
  async function manage(method: 'PUT' | 'DELETE', path: string, body?: object): Promise<void> {
    const response = await fetch(`${broker.managementUrl}/api/${path}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from('guest:guest').toString('base64')}`,
        'content-type': 'application/json',
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
  }

  it('of two equal messages in flight the one that nobody was bound for is returned, and only that', async () => {
    const { transport, proxy } = await openThroughProxy(broker.url);
    const watch = open(broker.url).transport;
    const exchange = unique('exchange');
    const [queue, marker] = [await makeQueue(watch), await makeQueue(watch)];
    const raw = await (await openRaw(broker.url)).createChannel();
    await raw.assertExchange(exchange, 'direct');
    onTestFinished(() => watch.remove({ exchanges: [exchange] }));
    const message = { ...toQueue('k', 'same', { messageId: 'same' }), exchange };
    await raw.bindQueue(marker, exchange, 'marker');
    await transport.publish({ ...message, routingKey: 'marker' });
    proxy.stallServerToClient();
    const first = transport.publish(message);
    const between = transport.publish({ ...message, routingKey: 'marker' });
    await eventually('the broker is past the first', async () => (await watch.counts(marker))?.ready === 2);
    await raw.bindQueue(queue, exchange, 'k');
    const results = outcomes([first, between, transport.publish(message)]);
    await eventually('the broker is past the second', async () => (await watch.counts(queue))?.ready === 1);
    proxy.resumeServerToClient();
    expect(await results).toEqual(['unroutable', 'confirmed', 'confirmed']);
  });

  it('what was in flight when the connection went is unknown, and what still waited goes out later', async () => {
    const { transport, proxy } = await openThroughProxy(broker.url, { maxInFlight: 10 });
    const queue = await makeQueue(transport);
    await transport.publish(toQueue(queue, 'first'));
    proxy.stallServerToClient();
    const publishes = Array.from({ length: 30 }, (_, index) =>
      transport.publish(toQueue(queue, String(index))),
    );
    const results = outcomes(publishes);
    const watch = open(broker.url).transport;
    await eventually('the first ten arrived', async () => (await watch.counts(queue))?.ready === 11);
    proxy.resumeServerToClient();
    proxy.stallServerToClient();
    proxy.cut();
    proxy.resumeServerToClient();
    const settled = await results;
    expect(settled.slice(10)).toEqual(Array.from({ length: 20 }, () => 'confirmed'));
    expect(new Set(settled.slice(0, 10))).toEqual(new Set(['publish-unknown']));
    // Never silently published again: 1 + 10 that happened to arrive + 20.
    expect((await transport.counts(queue))?.ready).toBe(31);
  });

  it('an exchange deleted behind our back rejects its publish and leaves those sent after it alone', async () => {
    const { transport } = open(broker.url);
    const raw = await (await openRaw(broker.url)).createChannel();
    const queue = await makeQueue(transport);
    const exchange = unique('exchange');
    await raw.assertExchange(exchange, 'fanout');
    await raw.bindQueue(queue, exchange, '');
    await transport.publish({ ...toQueue('', 'known now'), exchange });
    await raw.deleteExchange(exchange);
    const results = await outcomes([
      transport.publish({ ...toQueue('', 'gone'), exchange }),
      ...Array.from({ length: 50 }, (_, index) => transport.publish(toQueue(queue, String(index)))),
    ]);
    expect(results).toEqual(['exchange-missing', ...Array.from({ length: 50 }, () => 'confirmed')]);
    expect((await transport.counts(queue))?.ready).toBe(51);
  });

  it('a permission revoked while messages are in flight refuses none that is stored', async () => {
    await manage('PUT', 'users/writer', { password: 'writer', tags: '' });
    onTestFinished(() => manage('DELETE', 'users/writer'));
    const permit = (write: string) =>
      manage('PUT', 'permissions/%2F/writer', { configure: '.*', write, read: '.*' });
    await permit('.*');
    const { transport } = open(broker.url.replace('guest:guest', 'writer:writer'));
    const watch = open(broker.url).transport;
    const raw = await (await openRaw(broker.url)).createChannel();
    const queue = await makeQueue(watch);
    const to = (exchange: string) => transport.publish({ ...toQueue('', 'x'), exchange });
    const exchanges = Array.from({ length: 13 }, (_, index) => unique(`exchange-${index}`));
    onTestFinished(() => watch.remove({ exchanges }));
    for (const exchange of exchanges) {
      await raw.assertExchange(exchange, 'fanout', { durable: false });
      await raw.bindQueue(queue, exchange, '');
      await to(exchange);
    }
    const [revoked = '', ...others] = exchanges;
    await to(revoked);
    // RabbitMQ remembers the last 12 permissions of a channel, and looks again after 12 others. A channel that is idle
    // for a second forgets them all: this one must not be, however slow the machine.
    let isRevoked = false;
    const revoking = permit('exchange-([1-9]|1[0-9])[.]').finally(() => {
      isRevoked = true;
    });
    let meanwhile = 0;
    const stayAwake = async () => {
      await to(revoked);
      meanwhile++;
      return isRevoked;
    };
    await eventually('it is revoked', stayAwake, { everyMs: 50 });
    await revoking;
    const stored = outcomes([revoked, revoked, ...others].map(to));
    const refused = outcomes([to(revoked)]);
    const later = outcomes(others.map(to));
    expect(await stored).not.toContain('access-refused');
    expect(await refused).toEqual(['access-refused']);
    expect(new Set(await later)).toEqual(new Set(['confirmed']));
    expect((await watch.counts(queue))?.ready).toBe(14 + meanwhile + 14 + 12);
  });

  it('a message larger than the broker takes is refused, and its later neighbours are confirmed', async () => {
    const { transport } = open(broker.url);
    const queue = await makeQueue(transport);
    const large = { ...toQueue(queue, ''), body: Buffer.alloc(MAX_MESSAGE + 1) };
    const results = await outcomes([
      transport.publish(large),
      transport.publish(toQueue(queue, 'a')),
      transport.publish(toQueue(queue, 'b')),
    ]);
    expect(results).toEqual(['publish-refused', 'confirmed', 'confirmed']);
    expect(await take(transport, queue, 2)).toEqual(['a', 'b']);
  });

  it.each([
    ['a foreign user id', { userId: 'somebody' }],
    ['an expiration that is no number', { expiration: 'soon' }],
    ['a message id longer than AMQP allows', { messageId: 'x'.repeat(256) }],
    ['headers that do not fit', { headers: { large: 'x'.repeat(70_000) } }],
  ])('%s is refused before it is sent', async (_name, properties) => {
    const { transport, notices } = open(broker.url);
    const queue = await makeQueue(transport);
    const results = await outcomes([
      transport.publish(toQueue(queue, 'before')),
      transport.publish(toQueue(queue, 'bad', properties)),
      transport.publish(toQueue(queue, 'after')),
    ]);
    expect(results).toEqual(['confirmed', 'publish-refused', 'confirmed']);
    expect(notices).toEqual([]);
  });

  it('a full queue that rejects publishes refuses the message', async () => {
    const { transport } = open(broker.url);
    const queue = await makeQueue(transport, { 'x-max-length': 1, 'x-overflow': 'reject-publish' });
    await transport.publish(toQueue(queue, 'fits'));
    await eventually('a publish is refused', async () => {
      const [result] = await outcomes([transport.publish(toQueue(queue, 'does not'))]);
      return result === 'publish-refused';
    });
  });

  it('an absent property is absent on the wire, headers included', async () => {
    const { transport } = open(broker.url);
    const raw = await (await openRaw(broker.url)).createChannel();
    const queue = await makeQueue(transport);
    await transport.publish(toQueue(queue, 'bare'));
    const message = await raw.get(queue, { noAck: true });
    if (message === false) throw new Error('nothing there');
    const present = Object.entries(message.properties).filter(([, value]) => value !== undefined);
    expect(present).toEqual([['deliveryMode', 2]]);
  });

  it('a memory alarm holds publishes back, says so, and they go through when it clears', async () => {
    const { transport, notices } = open(broker.url);
    const queue = await makeQueue(transport);
    await transport.publish(toQueue(queue, 'before'));
    await broker.ctl('set_vm_memory_high_watermark', 'absolute', '1MB');
    onTestFinished(async () => void (await broker.ctl('set_vm_memory_high_watermark', 'absolute', '1GB')));
    // RabbitMQ blocks a connection when it publishes during the alarm: one publish might come just before it.
    const during: Promise<void>[] = [];
    const publishAgain = () => {
      during.push(transport.publish(toQueue(queue, 'during')));
      return notices.some(({ kind }) => kind === 'blocked');
    };
    await eventually('blocked', publishAgain, { everyMs: 100 });
    await broker.ctl('set_vm_memory_high_watermark', 'absolute', '1GB');
    await Promise.all(during);
    await eventually('unblocked', () => notices.some(({ kind }) => kind === 'unblocked'));
    expect(await take(transport, queue, 1 + during.length)).toEqual([
      'before',
      ...during.map(() => 'during'),
    ]);
  });
});
