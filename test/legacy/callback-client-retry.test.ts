/** Services in trouble: what is tried again, when, and what is told in the end. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { CallbackClientOptions } from '../../src/legacy/callback-client-options.js';
import { eventually, within } from '../await.js';
import { manualTime } from '../core/consuming/manual-time.js';
import { type Answer, CALLBACK, clientOf, inTurn, rejection, startService } from './services.js';

const releases: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release();
});

async function stage(answer: number | Answer, options: Partial<CallbackClientOptions> = {}) {
  const service = await startService(answer);
  releases.push(() => service.close());
  const client = clientOf(service.url, options);
  releases.push(() => client.close({ deadlineMs: 1 }));
  return { service, client };
}

/** Time that passes when the test says so, and a service that never answers unless told to. */
async function hanging(options: Partial<CallbackClientOptions> = {}, answer: Answer = () => {}) {
  const time = manualTime();
  const service = await startService(answer);
  releases.push(() => service.close());
  const client = clientOf(service.url, { now: time.now, setTimer: time.setTimer, ...options });
  return { time, service, client };
}

/** Resolves when a client of this process has the head of an answer. */
function nextAnswerHead(): Promise<void> {
  return new Promise((resolve) => {
    const onHead = () => {
      unsubscribe('http.client.response.finish', onHead);
      setImmediate(resolve);
    };
    subscribe('http.client.response.finish', onHead);
  });
}

async function deadUrl(): Promise<string> {
  const service = await startService();
  await service.close();
  return service.url;
}

describe('a service that fails', () => {
  it('once is asked again, with the same request id and the same body', async () => {
    const { service, client } = await stage(inTurn(500, 200));
    const answer = await client.send(CALLBACK);
    expect(answer).toMatchObject({ status: 200, attempts: 2 });
    const [first, second] = service.seen;
    expect(second).toEqual({ ...first, headers: { ...first?.headers } });
    expect(first?.headers['x-request-id']).toBe(answer.requestId);
  });

  it('every time is given up after the retries', async () => {
    const { service, client } = await stage((response) => response.writeHead(502).end('bad gateway'));
    const error = await rejection(client.send(CALLBACK));
    expect(error).toMatchObject({
      code: 'unreachable',
      status: 502,
      attempts: 4,
      maybeApplied: false,
      message:
        'POST /notifications/analysis-complete of service "notification" failed with 502 (4 attempts): bad gateway',
    });
    expect(service.seen).toHaveLength(4);
  });

  it('is asked once where there are no retries', async () => {
    const { service, client } = await stage(500, { retry: false });
    expect(await rejection(client.send(CALLBACK))).toMatchObject({ code: 'unreachable', attempts: 1 });
    expect(service.seen).toHaveLength(1);
  });

  it('and then refuses is not asked again', async () => {
    const { service, client } = await stage(inTurn(500, 404));
    expect(await rejection(client.send(CALLBACK))).toMatchObject({ code: 'callback-refused', attempts: 2 });
    expect(service.seen).toHaveLength(2);
  });

  it('is asked again after the pause, and no sooner', async () => {
    const { time, service, client } = await hanging({ random: () => 0.5 }, inTurn(500, 500, 200));
    const sent = client.send(CALLBACK);
    // Timers: the send's, then a connection's, an answer's and a pause's for each failure.
    for (const [pause, requests, timers] of [
      [100, 1, 4],
      [200, 2, 7],
    ] as const) {
      await eventually('it pauses', () => time.timersEver() === timers);
      time.pass(pause - 1);
      await new Promise((resolve) => setImmediate(resolve));
      expect(service.seen).toHaveLength(requests);
      time.pass(1);
    }
    expect(await within('the answer', sent)).toMatchObject({ attempts: 3, tookMs: 300 });
  });

  it('with 503 and a Retry-After that the send outlasts is given that time', async () => {
    const answer: Answer = (response) =>
      service.seen.length === 1 ? response.writeHead(503, { 'retry-after': '20' }).end() : response.end();
    const { time, service, client } = await hanging({}, answer);
    const sent = client.send(CALLBACK);
    await eventually('it pauses', () => service.seen.length === 1 && time.timersEver() === 4);
    time.pass(20_000);
    expect(await within('the answer', sent)).toMatchObject({ attempts: 2, tookMs: 20_000 });
  });

  it('with 503 and a Retry-After beyond the send is given up at once', async () => {
    const { service, client } = await stage((response) =>
      response.writeHead(503, { 'retry-after': '31' }).end(),
    );
    expect(await rejection(client.send(CALLBACK))).toMatchObject({ code: 'unreachable', attempts: 1 });
    expect(service.seen).toHaveLength(1);
  });
});

describe('a connection', () => {
  it('that is refused is tried again, and then told', async () => {
    const client = clientOf(await deadUrl());
    const error = await rejection(client.send(CALLBACK));
    expect(error).toMatchObject({
      code: 'unreachable',
      status: null,
      attempts: 4,
      maybeApplied: false,
      message:
        'POST /notifications/analysis-complete of service "notification": no connection, ECONNREFUSED (4 attempts)',
    });
  });

  it('to a host that nobody knows is told', async () => {
    const client = clientOf('http://nobody.invalid', { retry: false });
    const error = await rejection(client.send(CALLBACK));
    expect(error).toMatchObject({ code: 'unreachable', maybeApplied: false });
  });

  it('that is reset before the answer is tried again: the service may have applied the first request', async () => {
    const { service, client } = await stage((response) =>
      service.seen.length < 3 ? response.socket?.resetAndDestroy() : response.end(),
    );
    expect(await client.send(CALLBACK)).toMatchObject({ status: 200, attempts: 3 });
  });

  it('that is reset every time is told as maybe applied', async () => {
    const { client } = await stage((response) => response.socket?.resetAndDestroy());
    const error = await rejection(client.send(CALLBACK));
    expect(error).toMatchObject({
      code: 'unreachable',
      attempts: 4,
      maybeApplied: true,
      message: expect.stringContaining('the connection was lost before an answer, ECONNRESET (4 attempts)'),
      hint: expect.stringContaining('It may have been applied all the same'),
    });
  });

  it('that was kept and is gone when it is used again is replaced at once, even without retries', async () => {
    // The service gives the connection up in the very moment in which the second callback goes out on it.
    let connections = 0;
    const { service, client } = await stage(
      (response, request) => {
        if (request.headers['x-nth'] === '2' && connections++ === 0) request.socket.resetAndDestroy();
        else response.end();
      },
      { retry: false },
    );
    await client.send(CALLBACK);
    expect(await client.send({ ...CALLBACK, headers: { 'x-nth': '2' } })).toMatchObject({ attempts: 2 });
    expect(service.connections()).toBe(2);
  });

  it('that answers something else than HTTP is told without a byte of it', async () => {
    const { client } = await stage((response) => response.socket?.end('SSH-2.0-budi\r\n'), { retry: false });
    const error = await rejection(client.send(CALLBACK));
    expect(error).toMatchObject({ code: 'unreachable', message: expect.stringContaining('HPE_') });
    expect(String(error)).not.toContain('budi');
  });
});

describe('a service that hangs', () => {
  it('before its answer is given its time, then asked again, then told as maybe applied', async () => {
    const { time, service, client } = await hanging({ retry: { retries: 1 } });
    const sent = rejection(client.send(CALLBACK));
    for (const requests of [1, 2]) {
      await eventually('it is asked', () => service.seen.length === requests);
      time.pass(9_999);
      expect(service.sockets.size).toBe(1);
      time.pass(1);
      await eventually('it hung up', () => service.sockets.size === 0);
      if (requests === 1) await eventually('it pauses', () => time.timers() === 2);
      time.pass(0); // the pause, which is none
    }
    expect(await within('the end', sent)).toMatchObject({
      code: 'timeout',
      attempts: 2,
      maybeApplied: true,
      message: expect.stringContaining('no answer within 10000 ms (2 attempts)'),
    });
    expect(time.timers()).toBe(0);
  });

  it('in its body has answered: the status counts once its time is over', async () => {
    const { time, service, client } = await hanging({}, (response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('{');
    });
    const headArrived = within('the head', nextAnswerHead());
    const sent = client.send(CALLBACK);
    await headArrived;
    expect(service.seen).toHaveLength(1);
    time.pass(10_000);
    expect(await within('the answer', sent)).toMatchObject({ status: 200, attempts: 1 });
  });

  it('in its handshake is given the time of a connection', async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => sockets.add(socket.on('error', () => {})));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    releases.push(async () => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const time = manualTime();
    const client = clientOf(`https://127.0.0.1:${port}`, {
      ...{ now: time.now, setTimer: time.setTimer },
      retry: false,
    });
    const sent = rejection(client.send(CALLBACK));
    await eventually('it connects', () => sockets.size === 1);
    time.pass(2_000);
    expect(await within('the end', sent)).toMatchObject({
      code: 'timeout',
      maybeApplied: false,
      message: expect.stringContaining('no connection within 2000 ms (1 attempt)'),
    });
  });

  it('for longer than the whole send may take ends it, whatever is left of its attempts', async () => {
    const { time, service, client } = await hanging({ timeouts: { responseMs: 20_000 } });
    const sent = rejection(client.send(CALLBACK));
    await eventually('it is asked', () => service.seen.length === 1);
    time.pass(20_000);
    await eventually('it pauses', () => time.timers() === 2);
    time.pass(0);
    await eventually('it is asked again', () => service.seen.length === 2);
    time.pass(10_000);
    expect(await within('the end', sent)).toMatchObject({
      code: 'timeout',
      attempts: 2,
      maybeApplied: true,
      message: expect.stringContaining('not done within 30000 ms (2 attempts, the last: no answer in time)'),
    });
  });
});
