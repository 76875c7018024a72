import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { eventually, within } from '../../await.js';
import { rabbitInstalled, type SharedRabbit, sharedRabbit } from '../../brokers/shared.js';
import { makeQueue, open, openThroughProxy, toQueue } from './stage.js';

const PASSWORD = 'p@ss/w%rd';

function withPassword(url: string): string {
  return url.replace('guest:guest', `guest:${encodeURIComponent(PASSWORD)}`);
}

async function failureOf(promise: Promise<unknown>): Promise<Error & { code?: string; hint?: string }> {
  return promise.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: Error) => error,
  );
}

describe('connecting to what is no broker', () => {
  it('a port where nothing listens is unreachable once the budget is spent', async () => {
    const { transport } = open('amqp://me:hush-hush@127.0.0.1:9/some%20vhost', { startTimeoutMs: 400 });
    const started = performance.now();
    const failure = await failureOf(transport.open());
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(failure).toMatchObject({ code: 'unreachable' });
    expect(failure.message).toContain('127.0.0.1:9, virtual host "some vhost"');
    expect(failure.message).not.toContain('hush-hush');
  });

  it('a host that accepts and never answers is unreachable within the budget', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as AddressInfo;
    const { transport } = open(`amqp://127.0.0.1:${port}`, { startTimeoutMs: 500 });
    const failure = await within('the refusal', failureOf(transport.open()), 2_000);
    expect(failure).toMatchObject({ code: 'unreachable', message: expect.stringContaining('timed out') });
  });

  it('an HTTP server is recognised, without spending the budget', async () => {
    const server = createHttpServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { transport } = open(`amqp://127.0.0.1:${port}`, { startTimeoutMs: 60_000 });
    const failure = await within('the refusal', failureOf(transport.open()), 5_000);
    expect(failure).toMatchObject({ code: 'unreachable', message: expect.stringContaining('HTTP server') });
  });
});

describe.skipIf(!rabbitInstalled)('connecting to RabbitMQ', () => {
  let broker: SharedRabbit;
  beforeAll(async () => {
    broker = await sharedRabbit();
  });

  it('a wrong password is refused at once and appears nowhere', async () => {
    const { transport } = open(withPassword(broker.url), { startTimeoutMs: 60_000 });
    const failure = await within('the refusal', failureOf(transport.open()), 5_000);
    expect(failure).toMatchObject({ code: 'access-refused', hint: expect.stringContaining('password') });
    const everything = JSON.stringify([failure.message, failure.hint, failure.stack, transport.address]);
    expect(everything).not.toContain(PASSWORD);
    expect(everything).not.toContain(encodeURIComponent(PASSWORD));
  });

  it('a missing virtual host is refused at once, by name', async () => {
    const { transport } = open(`${broker.url}/nowhere`, { startTimeoutMs: 60_000 });
    const failure = await within('the refusal', failureOf(transport.open()), 5_000);
    expect(failure).toMatchObject({ code: 'access-refused', message: expect.stringContaining('"nowhere"') });
  });

  it('TLS spoken to the plain port is explained', async () => {
    const { transport } = open(broker.url.replace('amqp:', 'amqps:'), { startTimeoutMs: 60_000 });
    const failure = await within('the refusal', failureOf(transport.open()), 5_000);
    expect(failure).toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('does not speak TLS'),
    });
  });

  it('a broker that comes up within the budget is reached', async () => {
    const { transport, proxy } = await openThroughProxy(broker.url, { startTimeoutMs: 20_000 });
    proxy.refuse();
    const opening = transport.open();
    proxy.accept();
    await opening;
  });

  it('after a refused start the next call tries afresh', async () => {
    const { transport, proxy } = await openThroughProxy(broker.url, { startTimeoutMs: 1_000 });
    proxy.refuse();
    await expect(transport.open()).rejects.toMatchObject({ code: 'unreachable' });
    proxy.accept();
    await transport.open();
  });

  it('calls during an outage wait, and reject as unreachable after the steady-state budget', async () => {
    const { transport, notices, proxy } = await openThroughProxy(broker.url, { reconnectTimeoutMs: 300 });
    const queue = await makeQueue(open(broker.url).transport);
    expect((await transport.counts(queue))?.ready).toBe(0);
    await transport.publish(toQueue(queue, 'before'));
    proxy.refuse();
    proxy.cut();
    await eventually(
      'both connections are lost',
      () => notices.filter(({ kind }) => kind === 'lost').length === 2,
    );
    await expect(transport.counts(queue)).rejects.toMatchObject({ code: 'unreachable' });
    await expect(transport.publish(toQueue(queue, 'during'))).rejects.toMatchObject({ code: 'unreachable' });
    proxy.accept();
    await eventually(
      'both are restored',
      () => notices.filter(({ kind }) => kind === 'restored').length === 2,
    );
    await eventually('publishing works', () => transport.publish(toQueue(queue, 'after')).then(() => true));
  });

  it('closing does not hang on a broker that has fallen silent', async () => {
    const { transport, proxy } = await openThroughProxy(broker.url);
    const queue = await makeQueue(open(broker.url).transport);
    await transport.consume(queue, {}, () => {});
    await transport.publish(toQueue(queue, 'x'));
    proxy.stallServerToClient();
    await within('closing', transport.close(), 8_000);
  });

  it('after close every method rejects with closed', async () => {
    const { transport } = open(broker.url);
    await transport.open();
    await Promise.all([transport.close(), transport.close()]);
    const nothing = { exchanges: [], queues: [], bindings: [] };
    const calls = [
      transport.open(),
      transport.inspect(nothing),
      transport.apply(nothing),
      transport.remove({}),
      transport.publish(toQueue('q', 'x')),
      transport.consume('q', {}, () => {}),
      transport.tap({ bindings: [{ exchange: 'e', key: '#' }] }, { onMessage() {}, onGap() {} }),
      transport.counts('q'),
      transport.browse('q')[Symbol.asyncIterator]().next(),
    ];
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'closed' });
  });
});
