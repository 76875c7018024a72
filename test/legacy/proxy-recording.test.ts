/** What a record says, and where callbacks are sent. */
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { callbackLine, readCallbackLine } from '../../src/legacy/callback-record.js';
import { routeByPrefix } from '../../src/legacy/upstreams.js';
import { eventually, gate, within } from '../await.js';
import { call, OK, post, startProxy, startRawUpstream } from './peers.js';

const releases: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release();
});

type Answer = Parameters<typeof startRawUpstream>[0];
type Options = NonNullable<Parameters<typeof startProxy>[1]>;

async function upstream(answer: Answer = () => OK) {
  const started = await startRawUpstream(answer);
  releases.push(() => started.close());
  return started;
}

async function proxyTo(upstreams: Record<string, string>, options: Options = {}) {
  const started = await startProxy(upstreams, options);
  releases.push(() => started.proxy.close({ drainMs: 0 }));
  return started;
}

/** Sends one callback, waits for its answer and for its record. */
async function recorded(request: string, answer: string, options: Options = {}) {
  const { url } = await upstream(() => answer);
  const { proxy, records } = await proxyTo({ notification: url }, options);
  const caller = await call(proxy.port, request);
  await within('the answer', caller.has(answer.length));
  expect(caller.received()).toBe(answer);
  caller.socket.destroy();
  return eventually('the record', () => records[0]);
}

describe('a record', () => {
  it('has the fields that shadow compare reads, with the service key redacted', async () => {
    let time = Date.parse('2026-03-01T10:00:00.000Z');
    const request = post(
      '/notifications/analysis-complete?a=1',
      '{"userId":"u1","jobId":"j1","resultId":"r1","status":"completed"}',
      'authorization: Bearer abc',
      'Cookie: session=abc',
      'X-Forwarded-For: 10.0.0.1',
      'X-Forwarded-For: 10.0.0.2',
      'X-Tenant-Token: abc',
    );
    const now = () => {
      time += 5;
      return time;
    };
    const record = await recorded(request, OK, { now, secretHeaders: ['X-Tenant-Token'] });
    expect(record).toEqual({
      at: '2026-03-01T10:00:00.005Z',
      method: 'POST',
      path: '/notifications/analysis-complete?a=1',
      headers: {
        accept: 'application/json, text/plain, */*',
        'content-type': 'application/json',
        'x-internal-service': 'true',
        'x-service-key': '[redacted]',
        authorization: '[redacted]',
        cookie: '[redacted]',
        'x-forwarded-for': ['10.0.0.1', '10.0.0.2'],
        'x-tenant-token': '[redacted]',
        'content-length': '65',
        host: 'localhost:4010',
      },
      body: { userId: 'u1', jobId: 'j1', resultId: 'r1', status: 'completed' },
      status: 200,
      durationMs: 5,
      upstream: 'notification',
    });
    expect(readCallbackLine(callbackLine(record))).toEqual(record);
  });

  it.each([
    ['plain', '{"error":"result_id is required"}', ''],
    ['gzip', gzipSync('{"error":"result_id is required"}').toString('latin1'), 'Content-Encoding: gzip\r\n'],
  ])('of a refusal has the words of the receiver (%s)', async (_what, body, encoding) => {
    const answer = `HTTP/1.1 400 Bad Request\r\n${encoding}Content-Length: ${body.length}\r\n\r\n${body}`;
    expect(await recorded(post('/a', '{}'), answer)).toMatchObject({
      status: 400,
      answer: '{"error":"result_id is required"}',
    });
  });

  it('of a refusal has no more than the start of a long answer, and nothing that is no text', async () => {
    const refuse = (body: string, encoding = '') =>
      `HTTP/1.1 500 Oh\r\n${encoding}Content-Length: ${body.length}\r\n\r\n${body}`;
    const long = await recorded(post('/a', '{}'), refuse(Buffer.from('é'.repeat(50_000)).toString('latin1')));
    expect(long.answer).toBe('é'.repeat(2048));
    for (const binary of [refuse('\x00\x01\xff'), refuse('not zipped', 'Content-Encoding: gzip\r\n')]) {
      expect(await recorded(post('/a', '{}'), binary)).not.toHaveProperty('answer');
    }
  });

  it('has no words of an answer that was fine', async () => {
    expect(await recorded(post('/a', '{}'), OK)).not.toHaveProperty('answer');
  });

  it('holds a body up to the limit, says when there was more, and the body passes whole', async () => {
    const body = `{"text":"${'é'.repeat(100)}"}`;
    const whole = await recorded(post('/a', body), OK, { bodyLimit: Buffer.byteLength(body) });
    expect(whole).toMatchObject({ body: { text: 'é'.repeat(100) } });
    expect(whole).not.toHaveProperty('truncated');
    const cut = await recorded(post('/a', body), OK, { bodyLimit: 20 });
    expect(cut).toMatchObject({
      body: '{"text":"ééééé',
      truncated: true,
      bodyBytes: Buffer.byteLength(body),
    });
  });

  it('is short of its body when memory is, and the next one is whole again', async () => {
    const { url } = await upstream();
    const held = gate();
    const { proxy, records } = await proxyTo(
      { a: url },
      {
        memoryLimit: 12,
        onRecord: async (record) => {
          records.push(record);
          await held.opened;
        },
      },
    );
    for (const path of ['/1', '/2']) {
      const caller = await call(proxy.port, post(path, '"0123456789"', 'Connection: close'));
      await within('the answer', caller.has(OK.length));
      await eventually('it is over', () => proxy.counts().inFlight === 0);
    }
    held.open();
    await eventually('both are recorded', () => records.length === 2);
    const caller = await call(proxy.port, post('/3', '"0123456789"'));
    await within('the answer', caller.has(OK.length));
    caller.socket.destroy();
    await eventually('the third', () => records.length === 3);
    expect(records.map(({ truncated }) => truncated ?? false)).toEqual([false, true, false]);
  });
});

describe('the watermark', () => {
  it('stands at the oldest callback that is not yet kept', async () => {
    let time = Date.parse('2026-03-01T10:00:00.000Z');
    const { url, sockets, seen } = await upstream(({ head }) => (head.includes('/slow') ? undefined : OK));
    const held = gate();
    const { proxy } = await proxyTo({ a: url }, { now: () => time, onRecord: () => held.opened });
    expect(proxy.watermark()).toBe('2026-03-01T10:00:00.000Z');
    time += 1000;
    const slow = await call(proxy.port, post('/slow', '{}'));
    await eventually('it is there', () => seen.length === 1);
    time += 1000;
    const quick = await call(proxy.port, post('/quick', '{}'));
    await within('the answer', quick.has(OK.length));
    time += 1000;
    expect(proxy.watermark()).toBe('2026-03-01T10:00:01.000Z');
    for (const socket of sockets) socket.write(OK);
    await within('the answer', slow.has(OK.length));
    await eventually('both are over', () => proxy.counts().waiting === 2);
    expect(proxy.watermark()).toBe('2026-03-01T10:00:01.000Z');
    held.open();
    await eventually('both are kept', () => proxy.counts().waiting === 0);
    expect(proxy.watermark()).toBe('2026-03-01T10:00:03.000Z');
  });
});

describe('the way to an upstream', () => {
  const route = routeByPrefix([
    { prefix: '/notifications', upstream: 'notification' },
    { prefix: '/assessments', upstream: 'assessment' },
    { prefix: '/assessment/', upstream: 'assessment' },
  ]);

  it('follows from the start of the path, by whole segments', () => {
    expect(
      [
        '/notifications/x?y=/assessments',
        '/notifications',
        '/assessment/callback/failed',
        '/assessments?x',
      ].map(route),
    ).toEqual(['notification', 'notification', 'assessment', 'assessment']);
    expect(['/notificationsx', '/', '/x/notifications', '?/notifications'].map(route)).toEqual(
      Array(4).fill(undefined),
    );
    const nested = [
      { prefix: '/a', upstream: 'outer' },
      { prefix: '/a/b', upstream: 'inner' },
    ];
    expect(['/a/b/c', '/a/bc'].map(routeByPrefix(nested))).toEqual(['inner', 'outer']);
  });

  it('is another one for each upstream, below the path of its URL', async () => {
    const [notification, assessment] = [await upstream(), await upstream()];
    const { proxy, records } = await proxyTo(
      { notification: notification.url, assessment: `${assessment.url}/base/` },
      { route },
    );
    const caller = await call(proxy.port, post('/notifications/1', 'n') + post('/assessment/2?x=1', 'a'));
    await within('both answers', caller.has(2 * OK.length));
    caller.socket.destroy();
    expect(notification.seen.map(({ head }) => head.split('\r\n')[0])).toEqual([
      'POST /notifications/1 HTTP/1.1',
    ]);
    expect(assessment.seen.map(({ head }) => head.split('\r\n')[0])).toEqual([
      'POST /base/assessment/2?x=1 HTTP/1.1',
    ]);
    await eventually('both are recorded', () => records.length === 2);
    expect(records.map(({ upstream: name, path }) => [name, path]).toSorted()).toEqual([
      ['assessment', '/assessment/2?x=1'],
      ['notification', '/notifications/1'],
    ]);
  });

  it('leads to the only upstream when nothing else fits, and nowhere when there are several', async () => {
    const [one, two] = [await upstream(), await upstream()];
    const single = await proxyTo({ notification: one.url }, { route });
    const caller = await call(single.proxy.port, post('/health', ''));
    await within('the answer', caller.has(OK.length));
    caller.socket.destroy();
    const several = await proxyTo({ notification: one.url, assessment: two.url }, { route });
    const lost = await call(several.proxy.port, post('/health', '{"jobId":"j1"}'));
    await within('the end', lost.closed);
    expect(lost.received()).toMatch(/^HTTP\/1\.1 502 .*no upstream is configured for this path/s);
    await eventually('it is recorded', () => several.records.length === 1);
    expect(several.records).toMatchObject([
      { path: '/health', body: { jobId: 'j1' }, status: null, failure: 'no-upstream' },
    ]);
  });

  it('takes a whole URL as a target, as proxies are sent', async () => {
    const { url, seen } = await upstream();
    const { proxy } = await proxyTo({ a: url });
    const caller = await call(proxy.port, 'GET http://h/a?b=http://c HTTP/1.1\r\nHost: h\r\n\r\n');
    await within('the answer', caller.has(OK.length));
    caller.socket.destroy();
    expect(seen[0]?.head).toBe('GET /a?b=http://c HTTP/1.1\r\nHost: h\r\n\r\n');
  });

  it('names the upstream in Host only when asked to', async () => {
    const { url, port, seen } = await upstream();
    const { proxy } = await proxyTo({ a: url }, { rewriteHost: true });
    const caller = await call(proxy.port, post('/a', ''));
    await within('the answer', caller.has(OK.length));
    caller.socket.destroy();
    expect(seen[0]?.head).toContain(`\r\nHost: 127.0.0.1:${port}\r\n`);
  });

  it.each(['ftp://h', 'http://user:secret@h', 'http://h?x', 'localhost:3005', ''])(
    'is refused when it is %j, without quoting it',
    async (url) => {
      const error = await startProxy({ notification: url }).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject({ code: 'usage', message: expect.stringContaining('"notification"') });
      expect(String(error)).not.toContain('secret');
    },
  );
});
