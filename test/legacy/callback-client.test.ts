/** What goes out and what comes back, on real HTTP servers. */
import { readFileSync } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { inspect } from 'node:util';
import axios from 'axios';
import { afterEach, describe, expect, it } from 'vitest';
import { isEventsError } from '../../src/core/errors.js';
import { createCallbackClient } from '../../src/legacy/callback-client.js';
import { CallbackError } from '../../src/legacy/callback-client-error.js';
import type { CallbackClientOptions } from '../../src/legacy/callback-client-options.js';
import { within } from '../await.js';
import { type Answer, CALLBACK, clientOf, rejection, startService } from './services.js';

const releases: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release();
});

async function stage(answer: number | Answer = 200, options: Partial<CallbackClientOptions> = {}) {
  const service = await startService(answer);
  releases.push(() => service.close());
  const client = clientOf(service.url, options);
  releases.push(() => client.close({ deadlineMs: 1 }));
  return { service, client };
}

describe('a callback', () => {
  it('arrives as JSON below the URL of its service, and its answer tells what it took', async () => {
    const { service } = await stage(204);
    const client = clientOf(`${service.url}/api/`, { newRequestId: () => 'id-1' });
    releases.push(() => client.close());
    const answer = await client.send({
      ...CALLBACK,
      body: { jobId: 'j1', name: 'Größe 测试', resultId: null },
    });
    expect(answer).toEqual({ status: 204, attempts: 1, tookMs: expect.any(Number), requestId: 'id-1' });
    expect(service.seen).toMatchObject([
      {
        method: 'POST',
        path: '/api/notifications/analysis-complete',
        body: { jobId: 'j1', name: 'Größe 测试', resultId: null },
        headers: {
          'content-type': 'application/json',
          'content-length': '54',
          'x-request-id': 'id-1',
          'user-agent': 'atma-events',
        },
      },
    ]);
    expect(service.seen[0]?.headers).not.toHaveProperty('x-service-key');
    expect(service.seen[0]?.headers).not.toHaveProperty('authorization');
  });

  it('carries the headers of the client and its own, which win, and keeps a request id that it brings', async () => {
    const { service, client } = await stage(200, {
      headers: { 'X-Service-Name': 'worker', 'x-a': 'client' },
      newRequestId: () => 'not used',
    });
    const headers = { 'X-A': 'own', 'X-Request-ID': 'given', 'idempotency-key': 'analysis.completed:j1:r1' };
    const answer = await client.send({ ...CALLBACK, headers });
    expect(answer.requestId).toBe('given');
    expect(service.seen[0]?.headers).toMatchObject({
      'x-service-name': 'worker',
      'x-a': 'own',
      'x-request-id': 'given',
      'idempotency-key': 'analysis.completed:j1:r1',
    });
  });

  it('gets a request id of its own each time', async () => {
    const { service, client } = await stage();
    await Promise.all([client.send(CALLBACK), client.send(CALLBACK)]);
    const ids = service.seen.map(({ headers }) => headers['x-request-id']);
    expect(new Set(ids).size).toBe(2);
  });

  it('uses a kept connection again', async () => {
    const { service, client } = await stage();
    for (let n = 0; n < 10; n++) await client.send(CALLBACK);
    expect(service.connections()).toBe(1);
  });

  it('is not touched by what the application sets on axios itself, nor by a proxy of the environment', async () => {
    const { service, client } = await stage();
    const { baseURL, headers } = axios.defaults;
    const [before, proxy] = [
      axios.interceptors.request.use(() => Promise.reject(new Error('no'))),
      'HTTP_PROXY',
    ];
    axios.defaults.baseURL = 'http://127.0.0.1:1/elsewhere';
    axios.defaults.headers.common['X-App'] = 'secret of the app';
    process.env[proxy] = 'http://127.0.0.1:1';
    try {
      await client.send(CALLBACK);
    } finally {
      axios.interceptors.request.eject(before);
      delete headers.common['X-App'];
      delete process.env[proxy];
      if (baseURL === undefined) delete axios.defaults.baseURL;
    }
    expect(service.seen[0]?.headers).not.toHaveProperty('x-app');
  });

  it.each([
    ['an unknown service', { service: 'nobody' }, /no service is called "nobody"/],
    ['a path that does not begin with a slash', { path: 'x' }, /path must begin with "\/"/],
    [
      'a path with a line feed',
      { path: '/a\r\nx-evil: 1' },
      /path "\/a\\r\\nx-evil: 1" cannot be sent as it is/,
    ],
    ['a path that leads out of its service', { path: '/a/%2e%2e/%2e%2e/b' }, /cannot be sent as it is/],
    ['a path with a fragment', { path: '/a#b' }, /cannot be sent as it is/],
    ['a body that is no JSON', { body: { n: 1n } }, /body is not JSON/],
    [
      'a header of the connection',
      { headers: { 'Content-Length': '1' } },
      /"content-length" is set by the client/,
    ],
    ['a header that cannot be sent', { headers: { 'x-a': 'key\nx' } }, /"x-a" cannot be sent$/],
  ])('is refused here, without a request, with %s', async (_, change, message) => {
    const { service, client } = await stage();
    const error = await rejection(client.send({ ...CALLBACK, ...change }));
    expect(isEventsError(error, 'usage') && error.message).toMatch(message);
    expect(service.seen).toEqual([]);
  });
});

describe('an answer', () => {
  it.each([400, 404, 408, 409, 422, 429, 302, 304])(
    'of %i is a refusal: one request, never another',
    async (status) => {
      const { service, client } = await stage((response) => {
        response.writeHead(status, { location: '/elsewhere', 'retry-after': '0' }).end('{"error":"no"}');
      });
      const error = await rejection(client.send(CALLBACK));
      expect(error).toBeInstanceOf(CallbackError);
      expect(error).toMatchObject({
        code: 'callback-refused',
        service: 'notification',
        status,
        attempts: 1,
        maybeApplied: false,
      });
      expect(service.seen).toHaveLength(1);
    },
  );

  it('that refuses is told with its reason, in one line, short, and with nobody’s address', async () => {
    const { client } = await stage((response) => {
      response.writeHead(400).end(`{"error":"user budi@example.com\u001b[31m\n${'x'.repeat(1_000)}"}`);
    });
    const error = await rejection(client.send(CALLBACK));
    expect(isEventsError(error) && error.message).toBe(
      'POST /notifications/analysis-complete of service "notification" was refused with 400: ' +
        `{"error":"user ***@example.com\\x1b[31m\\n${'x'.repeat(160)}…`,
    );
    expect(isEventsError(error) && error.hint).toContain('would refuse the same body again');
  });

  it('of any size counts by its status; 64 KiB of it are read', async () => {
    let written = 0;
    function* pieces() {
      for (; written < 2_000; written++) yield Buffer.alloc(16 * 1024, 'x');
    }
    const { client } = await stage((response) => {
      response.writeHead(201);
      pipeline(Readable.from(pieces()), response, () => {}); // cut off by the client, as it should be
    });
    expect(await within('the answer', client.send(CALLBACK))).toMatchObject({ status: 201 });
    expect(written).toBeLessThan(2_000);
  });

  it('that is cut off in its body counts by its status', async () => {
    const { service, client } = await stage((response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"par', () => response.destroy());
    });
    expect(await client.send(CALLBACK)).toMatchObject({ status: 200, attempts: 1 });
    expect(service.seen).toHaveLength(1);
  });
});

describe('secrets', () => {
  const KEY = 'k-"very+secret';

  it('are in no error, whatever the service answers', async () => {
    const { service, client } = await stage(
      (response, request) => response.writeHead(400).end(JSON.stringify(request.headers)),
      { auth: { serviceKey: KEY } },
    );
    const error = await rejection(client.send(CALLBACK));
    expect(service.seen[0]?.headers['x-service-key']).toBe(KEY);
    const shown = inspect(error, { depth: null, showHidden: true });
    expect(shown).toContain('[redacted]');
    expect(shown).not.toContain('very+secret');
  });

  it('of headers of the application that sound like one are in no error either', async () => {
    const { client } = await stage(
      (response, request) => response.writeHead(400).end(String(request.headers['x-internal-token'])),
      { headers: { 'X-Internal-Token': KEY } },
    );
    const error = await rejection(client.send({ ...CALLBACK, headers: { 'idempotency-key': 'paid:A' } }));
    expect(isEventsError(error) && error.message).toMatch(/was refused with 400: \[redacted\]$/);
  });

  it('are in no error when the answer ends in half of one', async () => {
    const { client } = await stage(
      (response) => {
        response.writeHead(400, { 'content-length': '1000' });
        response.write(`your key is ${KEY.slice(0, -1)}`, () => response.destroy());
      },
      { auth: { serviceKey: KEY } },
    );
    const error = await rejection(client.send(CALLBACK));
    expect(isEventsError(error) && error.message).toMatch(/with 400: your key i$/);
  });

  it.each([
    ['reset', (response: Parameters<Answer>[0]) => response.destroy()],
    ['500', (response: Parameters<Answer>[0]) => response.writeHead(500).end(KEY)],
    ['no HTTP', (response: Parameters<Answer>[0]) => response.socket?.end(`${KEY}\r\n\r\n`)],
  ])('are in no error of a failure: %s', async (_, answer) => {
    const { client } = await stage(answer, { auth: { serviceKey: KEY }, retry: false });
    const error = await rejection(client.send({ ...CALLBACK, headers: { authorization: `Basic ${KEY}` } }));
    expect(error).toMatchObject({ code: 'unreachable' });
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain('very+secret');
  });

  it('are in no error about options', () => {
    const secret = 'the key\n';
    const options: CallbackClientOptions[] = [
      { services: { a: `http://user:${secret.trim()}@localhost` } },
      { services: { a: 'http://localhost' }, auth: { serviceKey: secret } },
      { services: { a: 'http://localhost' }, auth: { token: secret } },
      { services: { a: 'http://localhost' }, headers: { 'x-api-key': secret } },
    ];
    for (const each of options) {
      let error: unknown;
      try {
        createCallbackClient(each);
      } catch (thrown) {
        error = thrown;
      }
      expect(isEventsError(error, 'usage')).toBe(true);
      expect(inspect(error, { depth: null, showHidden: true })).not.toContain('the key');
    }
  });
});

describe('options', () => {
  it.each([
    [{ timeouts: { connectMs: 0 } }, 'timeouts.connectMs'],
    [{ timeouts: { responseMs: Number.POSITIVE_INFINITY } }, 'timeouts.responseMs'],
    [{ timeouts: { totalMs: Number.NaN } }, 'timeouts.totalMs'],
    [{ retry: { retries: 1.5 } }, 'retry.retries'],
    [{ retry: { firstDelayMs: 0 } }, 'retry.firstDelayMs'],
    [{ retry: { firstDelayMs: 100, maxDelayMs: 99 } }, 'retry.maxDelayMs'],
    [{ maxInFlight: 0 }, 'maxInFlight'],
    [{ circuit: { window: 0 } }, 'circuit.window'],
  ])('out of their range are named: %j', (options, name) => {
    expect(() => clientOf('http://localhost', options)).toThrow(name);
    const services = { notification: { url: 'http://localhost', ...options } };
    expect(() => createCallbackClient({ services })).toThrow(name);
  });

  it.each(['ftp://localhost', 'localhost:3005', 'http://localhost?x=1'])(
    'a URL of a service cannot be %s',
    (url) => {
      expect(() => clientOf(url)).toThrow('The URL of service "notification" cannot be used');
    },
  );

  it('are in the tables of the documentation', () => {
    const text = readFileSync(new URL('../../docs/callbacks.md', import.meta.url), 'utf8');
    const source = readFileSync(
      new URL('../../src/legacy/callback-client-options.ts', import.meta.url),
      'utf8',
    );
    const options = [
      ...source.slice(0, source.indexOf('interface ServiceSettings')).matchAll(/readonly (\w+)\??:/g),
    ];
    const names = new Set(options.map(([, name]) => name));
    expect(names.size).toBeGreaterThan(15);
    for (const name of names) expect(text, name).toMatch(new RegExp(`^\\|.*\\b${name}\\b`, 'm'));
  });
});
