import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createCallbackFaults } from '../../src/rehearsal/callback-faults.js';
import { type ForwarderOptions, startForwarder } from '../../src/rehearsal/forwarder.js';

interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A service that keeps what it gets. */
async function service(status = 200) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    received.push({ path: request.url ?? '', headers: request.headers, body });
    response.writeHead(status, { 'content-type': 'application/json' }).end('{"success":true}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { received, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function forwarder(options: ForwarderOptions) {
  const started = await startForwarder(options);
  onTestFinished(() => started.close());
  return (fact: string, body: object, path = '/assessments/callback/failed') =>
    fetch(`${started.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': fact, 'x-service-key': 'key' },
      body: JSON.stringify(body),
    });
}

describe('the way of the callbacks', () => {
  it('passes path, headers, body and answer', async () => {
    const { received, url } = await service(201);
    const post = await forwarder({ target: () => url });
    const response = await post('f1', { jobId: '1' });
    expect([response.status, await response.json()]).toEqual([201, { success: true }]);
    expect(received).toEqual([
      {
        path: '/assessments/callback/failed',
        headers: expect.objectContaining({ 'idempotency-key': 'f1', 'x-service-key': 'key' }),
        body: '{"jobId":"1"}',
      },
    ]);
  });

  it('breaks the connection where nobody is there, as a service that is away does', async () => {
    const post = await forwarder({ target: () => undefined });
    await expect(post('f1', {})).rejects.toThrow('fetch failed');
    const gone = await forwarder({ target: () => 'http://127.0.0.1:1' });
    await expect(gone('f1', {})).rejects.toThrow('fetch failed');
  });
});

describe('planted faults', () => {
  it('answer as many callbacks as they were told, each once, and know which of them came again', async () => {
    const { received, url } = await service();
    const faults = createCallbackFaults();
    const post = await forwarder({ target: () => url, answer: faults.answer });
    const planted = faults.refuseNext(2, 500);
    const statuses = [];
    for (const fact of ['a', 'a', 'b', 'c']) statuses.push((await post(fact, {})).status);
    expect(statuses).toEqual([500, 200, 500, 200]);
    expect([planted.hit(), planted.sentAgain(), [...planted.facts()]]).toEqual([2, 1, ['a', 'b']]);
    expect(received.map(({ headers }) => headers['idempotency-key'])).toEqual(['a', 'c']);
  });

  it('tell the callbacks of one fact to two services apart', async () => {
    const { url } = await service();
    const faults = createCallbackFaults();
    const post = await forwarder({ target: () => url, answer: faults.answer });
    const planted = faults.refuseNext(1, 500);
    await post('a', {}, '/notifications/analysis-failed');
    await post('a', {}, '/assessments/callback/failed');
    expect(planted.sentAgain()).toBe(0);
  });

  it('let one field drift until they are over, and only where it is', async () => {
    const { received, url } = await service();
    const faults = createCallbackFaults();
    const post = await forwarder({ target: () => url, alter: faults.alter });
    const planted = faults.drift();
    await post('a', { jobId: '1', errorMessage: 'out of tokens' });
    await post('b', { jobId: '2', status: 'completed' });
    faults.stop();
    await post('c', { jobId: '3', errorMessage: 'out of tokens' });
    expect(received.map(({ body }) => JSON.parse(body))).toEqual([
      { jobId: '1', errorMessage: 'AI_TIMEOUT' },
      { jobId: '2', status: 'completed' },
      { jobId: '3', errorMessage: 'out of tokens' },
    ]);
    expect(planted.hit()).toBe(1);
  });
});
