/** What a service knows its callers by. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { createCallbackClient } from '../../src/legacy/callback-client.js';
import type { CallbackAuth, TokenSource } from '../../src/legacy/callback-client-auth.js';
import { eventually, within } from '../await.js';
import { type Answer, CALLBACK, clientOf, inTurn, rejection, startService } from './services.js';

const releases: (() => unknown)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release();
});

async function startStrict(answer: number | Answer = 200) {
  const service = await startService(answer);
  releases.push(() => service.close());
  return service;
}

describe('a service key', () => {
  it('is sent with the mark of internal calls, as the services of ATMA want it', async () => {
    const service = await startStrict();
    const client = clientOf(service.url, { auth: { serviceKey: 'key-1' } });
    releases.push(() => client.close());
    await client.send({ ...CALLBACK, headers: { 'X-Service-Key': 'another' } });
    expect(service.seen[0]?.headers).toMatchObject({
      'x-internal-service': 'true',
      'x-service-key': 'key-1',
    });
  });

  it('that is refused is told at once, with what to do', async () => {
    const service = await startStrict(401);
    const client = clientOf(service.url, { auth: { serviceKey: 'key-1' } });
    releases.push(() => client.close());
    const error = await rejection(client.send(CALLBACK));
    expect(error).toMatchObject({
      code: 'callback-refused',
      status: 401,
      attempts: 1,
      hint: 'Check the service key, or the service token.',
    });
  });

  it('may be another one for one of the services', async () => {
    const [notification, assessment] = [await startStrict(), await startStrict()];
    const client = createCallbackClient({
      services: {
        notification: notification.url,
        assessment: { url: new URL(assessment.url), auth: { token: 'token-1' } },
      },
      auth: { serviceKey: 'key-1' },
    });
    releases.push(() => client.close());
    await client.send(CALLBACK);
    await client.send({ ...CALLBACK, service: 'assessment' });
    expect(notification.seen[0]?.headers).toMatchObject({ 'x-service-key': 'key-1' });
    expect(assessment.seen[0]?.headers).toMatchObject({ authorization: 'Bearer token-1' });
    expect(assessment.seen[0]?.headers).not.toHaveProperty('x-service-key');
  });
});

describe('no key or token', () => {
  it.each([
    ['a service key whose variable is not set', { serviceKey: undefined }, 'auth has no service key'],
    ['an empty service key', { serviceKey: '' }, 'auth has no service key'],
    ['an empty service token', { token: '' }, 'auth has no service token'],
    ['neither', {}, 'auth has no service token'],
    ['a function that no token comes from', { serviceKey: () => 'key-1' }, 'the service key cannot be sent'],
  ])('is refused at once, before a service has to: %s', (_what, auth, message) => {
    const given = auth as unknown as CallbackAuth; // as plain JavaScript may give it
    expect(() => clientOf('http://localhost', { auth: given })).toThrowError(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(message) }),
    );
  });
});

describe('a service token', () => {
  it('of a source is asked for before each request', async () => {
    const service = await startStrict();
    let made = 0;
    const client = clientOf(service.url, { auth: { token: () => `token-${++made}` } });
    releases.push(() => client.close());
    await client.send(CALLBACK);
    await client.send(CALLBACK);
    expect(service.seen.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer token-1',
      'Bearer token-2',
    ]);
  });

  it('that is refused is renewed once, and the callback sent again', async () => {
    const service = await startStrict(inTurn(401, 500, 200));
    const asked: unknown[] = [];
    const token: TokenSource = async (request) => {
      asked.push(request);
      return request.renew ? 'new' : 'old';
    };
    const client = clientOf(service.url, { auth: { token }, retry: { retries: 1 } });
    releases.push(() => client.close());
    expect(await client.send(CALLBACK)).toMatchObject({ status: 200, attempts: 3 });
    expect(asked).toEqual([
      { service: 'notification', renew: false },
      { service: 'notification', renew: true },
      { service: 'notification', renew: false },
    ]);
    const tokens = service.seen.map(({ headers }) => headers.authorization);
    expect(tokens).toEqual(['Bearer old', 'Bearer new', 'Bearer old']);
  });

  it('that is refused twice is a refusal', async () => {
    const service = await startStrict(401);
    const client = clientOf(service.url, { auth: { token: () => 'old' } });
    releases.push(() => client.close());
    expect(await rejection(client.send(CALLBACK))).toMatchObject({ code: 'callback-refused', attempts: 2 });
    expect(service.seen).toHaveLength(2);
  });

  it('that cannot be had is told without the source’s words, and is no failure of the service', async () => {
    const service = await startStrict();
    let fails = true;
    const client = clientOf(service.url, {
      auth: {
        token: () => {
          if (fails) throw Object.assign(new Error('secret-1 was not accepted'), { code: 'ECONNREFUSED' });
          return 'token-1';
        },
      },
      circuit: { window: 1 },
    });
    releases.push(() => client.close());
    const error = await rejection(client.send(CALLBACK));
    expect(error).toMatchObject({
      code: 'unreachable',
      attempts: 0,
      message: expect.stringContaining('no service token, ECONNREFUSED'),
    });
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain('secret-1');
    expect(service.seen).toEqual([]);
    fails = false;
    expect(await client.send(CALLBACK)).toMatchObject({ status: 200 });
  });

  it.each(['', 'with space', 'with\nline'])('that cannot be sent is told: %j', async (token) => {
    const service = await startStrict();
    const client = clientOf(service.url, { auth: { token: () => token }, retry: false });
    releases.push(() => client.close());
    const error = await rejection(client.send(CALLBACK));
    expect(error).toMatchObject({ message: expect.stringContaining('no service token, TOKEN_UNUSABLE') });
    expect(service.seen).toEqual([]);
  });

  it('whose source hangs does not hold the send beyond its end', async () => {
    const service = await startStrict();
    let asked = 0;
    const client = clientOf(service.url, {
      auth: {
        token: () => {
          asked++;
          return new Promise(() => {});
        },
      },
    });
    releases.push(() => client.close());
    const controller = new AbortController();
    const sent = rejection(client.send({ ...CALLBACK, signal: controller.signal }));
    await eventually('it is asked', () => asked === 1);
    controller.abort();
    expect(await within('the end', sent)).toMatchObject({ code: 'interrupted', attempts: 0 });
  });
});

describe('a service with TLS', () => {
  async function startSecure() {
    const folder = mkdtempSync(join(tmpdir(), 'atma-callbacks-'));
    releases.push(() => rmSync(folder, { recursive: true }));
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const make =
      'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=service -addext subjectAltName=IP:127.0.0.1';
    execFileSync('openssl', [...make.split(' '), '-out', cert, '-keyout', key], { stdio: 'pipe' });
    const seen: unknown[] = [];
    const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
      seen.push(request.headers['x-service-key']);
      response.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    releases.push(() => server.close());
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    return { url: `https://127.0.0.1:${port}`, ca: readFileSync(cert), seen };
  }

  it('is called when an authority vouches for it, on one connection', async () => {
    const { url, ca, seen } = await startSecure();
    const client = clientOf(url, { tls: { ca }, auth: { serviceKey: 'key-1' } });
    releases.push(() => client.close());
    await client.send(CALLBACK);
    await client.send(CALLBACK);
    expect(seen).toEqual(['key-1', 'key-1']);
  });

  it('gets nothing, least of all the key, when nobody vouches for it', async () => {
    const { url, seen } = await startSecure();
    const client = clientOf(url, { auth: { serviceKey: 'key-1' }, retry: false });
    releases.push(() => client.close());
    const error = await rejection(client.send(CALLBACK));
    expect(error).toMatchObject({
      code: 'unreachable',
      maybeApplied: false,
      message: expect.stringContaining('no connection, DEPTH_ZERO_SELF_SIGNED_CERT'),
    });
    expect(seen).toEqual([]);
  });
});
