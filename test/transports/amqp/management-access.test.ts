/** Which password the management API gets, and what is told about it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Topology } from '../../../src/core/topology/model.js';
import { parseAddress } from '../../../src/transports/amqp/address.js';
import { managementAccess } from '../../../src/transports/amqp/management-access.js';
import { rabbitInstalled, type SharedRabbit, sharedRabbit } from '../../brokers/shared.js';
import { open, unique } from './stage.js';

describe('who is sent which credentials', () => {
  it.each([
    ['amqp://me:hush@rabbit', undefined, 'http://rabbit:15672', 'me:hush'],
    ['amqp://me:hush@rabbit:6000', undefined, 'http://rabbit:16000', 'me:hush'],
    ['amqp://me:hush@[::1]', undefined, 'http://[::1]:15672', 'me:hush'],
    ['amqps://me:hush@rabbit', undefined, 'https://rabbit:15671', 'me:hush'],
    ['amqp://me:hush@rabbit', 'http://RABBIT:8080/prefix/', 'http://rabbit:8080/prefix', 'me:hush'],
    ['amqp://me:hush@rabbit', 'http://you:p%40ss@elsewhere', 'http://elsewhere', 'you:p@ss'],
    ['amqp://me:hush@rabbit', 'http://you:100%@rabbit:15672', 'http://rabbit:15672', 'you:100%'],
    ['amqps://me:hush@localhost', 'http://localhost:15672', 'http://localhost:15672', 'me:hush'],
    ['amqps://me:hush@rabbit', 'http://you:open@rabbit:15672', 'http://rabbit:15672', 'you:open'],
  ])('%s with %s: asked at %s as %s', (url, managementUrl, base, credentials) => {
    const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
    expect(managementAccess(parseAddress(url), managementUrl)).toEqual({ base, authorization });
  });

  it.each([
    ['amqp://me:hush@rabbit', 'http://elsewhere:15672', 'it is on another host than the broker'],
    ['amqps://me:hush@rabbit', 'https://elsewhere:15671', 'it is on another host than the broker'],
    ['amqps://me:hush@rabbit', 'http://rabbit:15672', 'of an amqps URL is not sent over http'],
    ['amqp://me:hush@rabbit', 'ftp://you:secret@rabbit', 'not an http or https URL'],
    ['amqp://me:hush@rabbit', 'you:secret@rabbit:15672', 'not an http or https URL'],
  ])('%s with %s: nothing is sent, because %s', (url, managementUrl, why) => {
    const reason = managementAccess(parseAddress(url), managementUrl);
    expect(reason).toContain(why);
    expect(reason).not.toContain('secret');
  });
});

describe.skipIf(!rabbitInstalled)('the management API of RabbitMQ', () => {
  let broker: SharedRabbit;
  beforeAll(async () => {
    broker = await sharedRabbit();
  });

  /** What inspecting a binding that exists says, asked through `managementUrl`. */
  async function seenThrough(managementUrl: string): Promise<unknown> {
    const { transport } = open(broker.url, { managementUrl });
    const [exchange, queue] = [unique('exchange'), unique('queue')];
    const wanted: Topology = {
      exchanges: [{ name: exchange, type: 'topic', durable: true, autoDelete: false, arguments: {} }],
      queues: [{ name: queue, durable: true, exclusive: false, autoDelete: false, arguments: {} }],
      bindings: [{ exchange, queue, key: 'k' }],
    };
    await transport.apply(wanted);
    onTestFinished(() => transport.remove({ exchanges: [exchange], queues: [queue] }));
    const [binding] = (await transport.inspect(wanted)).bindings;
    return binding;
  }

  function withCredentials(credentials: string): string {
    return broker.managementUrl.replace('//', `//${credentials}@`);
  }

  it('is asked with the credentials in managementUrl', async () => {
    expect(await seenThrough(withCredentials('guest:guest'))).toEqual({ state: 'present', differences: [] });
  });

  it('when it refuses them, the reason shows the bare URL', async () => {
    expect(await seenThrough(withCredentials('admin:s3cret'))).toEqual({
      state: 'unknown',
      reason: `AMQP does not tell bindings, and the management API at ${broker.managementUrl} answers 401`,
    });
  });

  it('is not asked at all on another host without credentials of its own', async () => {
    let asked = 0;
    const stranger = createServer((_request, response) => {
      asked++;
      response.end('{}');
    });
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void stranger.close());
    const { port } = stranger.address() as AddressInfo;
    expect(await seenThrough(`http://localhost:${port}`)).toEqual({
      state: 'unknown',
      reason: expect.stringContaining('put its user:password into managementUrl'),
    });
    expect(asked).toBe(0);
    await seenThrough(`http://127.0.0.1:${port}`);
    expect(asked).toBe(1);
  });
});
