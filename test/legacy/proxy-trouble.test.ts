/** Ends that vanish, stall or refuse: what the other end sees of it, and what is recorded. */
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, within } from '../await.js';
import { call, OK, post, startProxy, startRawUpstream } from './peers.js';

const releases: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release();
});

type Options = Parameters<typeof startProxy>[1];

async function stage(answer: Parameters<typeof startRawUpstream>[0] = () => OK, options: Options = {}) {
  const upstream = await startRawUpstream(answer);
  releases.push(() => upstream.close());
  const kept = await startProxy({ notification: upstream.url }, options);
  releases.push(() => kept.proxy.close({ drainMs: 0 }));
  return { upstream, ...kept };
}

/** The URL of a port that nobody listens on. */
async function deadUrl(): Promise<string> {
  const upstream = await startRawUpstream(() => undefined);
  await upstream.close();
  return upstream.url;
}

describe('an upstream in trouble', () => {
  it('is answered for with 502 when it is down, and the callback is recorded with its body', async () => {
    const { proxy, records } = await startProxy({ notification: await deadUrl() });
    releases.push(() => proxy.close({ drainMs: 0 }));
    const whole = post('/notifications/analysis-complete', '{"jobId":"j1"}');
    const caller = await call(proxy.port, whole.slice(0, -5));
    caller.send(whole.slice(-5));
    await within('the end', caller.closed);
    expect(caller.received()).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n.*cannot be reached\.\n$/s);
    await eventually('it is recorded', () => records.length === 1);
    expect(records).toMatchObject([
      { status: null, failure: 'unreachable', cause: 'ECONNREFUSED', body: { jobId: 'j1' } },
    ]);
    expect(records[0]).not.toHaveProperty('truncated');
  });

  it('is answered for at once when the caller holds its body back', async () => {
    const { proxy, records } = await startProxy({ notification: await deadUrl() });
    releases.push(() => proxy.close({ drainMs: 0 }));
    const caller = await call(
      proxy.port,
      post('/a', '').replace('Length: 0', 'Length: 2\r\nExpect: 100-continue'),
    );
    await within('the end', caller.closed);
    expect(caller.received()).toMatch(/^HTTP\/1\.1 502 /);
    await eventually('it is recorded', () => records.length === 1);
    expect(records).toMatchObject([{ status: null, failure: 'unreachable', body: null, truncated: true }]);
  });

  it('that hangs up without an answer is a 502', async () => {
    const { proxy, records } = await stage((_request, socket) => void socket.destroy());
    const caller = await call(proxy.port, post('/a', '{"jobId":"j1"}'));
    await within('the end', caller.closed);
    expect(caller.received()).toMatch(/^HTTP\/1\.1 502 .*without an answer\.\n$/s);
    await eventually('it is recorded', () => records.length === 1);
    expect(records).toMatchObject([{ status: null, failure: 'cut', body: { jobId: 'j1' } }]);
  });

  it('that dies in the middle of its answer cuts the answer short, and never completes it', async () => {
    const start = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf';
    const { upstream, proxy, records } = await stage(() => start);
    const caller = await call(proxy.port, post('/a', '{}'));
    await within('the start of the answer', caller.has(start.length));
    for (const socket of upstream.sockets) socket.resetAndDestroy();
    await within('the end', caller.closed);
    expect(caller.received()).toBe(start);
    await eventually('it is recorded', () => records.length === 1);
    expect(records).toMatchObject([{ status: 200, failure: 'cut' }]);
  });

  it('that refuses a body before it is whole is heard, and the rest of the body does no harm', async () => {
    const refusal = 'HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!';
    const upstream = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.write(refusal));
      socket.on('data', () => {});
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const address = upstream.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const { proxy, records } = await startProxy({ notification: `http://127.0.0.1:${port}` });
    releases.push(
      () => proxy.close({ drainMs: 0 }),
      async () => void upstream.close(),
    );
    const caller = await call(proxy.port, post('/a', 'x'.repeat(1000)).slice(0, -500));
    await within('the refusal', caller.has(refusal.length));
    expect(caller.received()).toBe(refusal);
    caller.send('x'.repeat(500));
    await eventually('it is recorded', () => records.length === 1);
    expect(records).toMatchObject([{ status: 413, answer: 'no!', truncated: true }]);
    caller.socket.destroy();
  });

  it('that closes an idle connection closes the one of the caller', async () => {
    const { upstream, proxy } = await stage();
    const caller = await call(proxy.port, post('/a', '{}'));
    await within('the answer', caller.has(OK.length));
    for (const socket of upstream.sockets) socket.end();
    await within('the end', caller.closed);
    expect(caller.received()).toBe(OK);
  });

  it('that resets a kept connection under a callback resets the caller, who may know to try again', async () => {
    const { proxy, records } = await stage(({ body }, socket) => {
      if (body === 'first') return OK;
      socket.resetAndDestroy();
      return undefined;
    });
    const caller = await call(proxy.port, post('/a', 'first'));
    await within('the answer', caller.has(OK.length));
    caller.send(post('/a', 'again'));
    await within('the end', caller.closed);
    expect(caller.received()).toBe(OK);
    await eventually('both are recorded', () => records.length === 2);
    expect(records).toMatchObject([{ status: 200 }, { status: null, failure: 'cut', body: 'again' }]);
  });
});

describe('a caller in trouble', () => {
  it('that goes in the middle of its body is gone for the upstream, too', async () => {
    const { upstream, proxy, records } = await stage();
    const caller = await call(proxy.port, post('/a', 'x'.repeat(100)).slice(0, -50));
    await eventually('the upstream has the start', () => upstream.sockets.size === 1);
    caller.socket.destroy();
    await eventually('the upstream is rid of it', () => upstream.sockets.size === 0);
    expect(upstream.seen).toEqual([]);
    await eventually('it is recorded', () => records.length === 1);
    expect(records).toMatchObject([{ status: null, failure: 'client-gone', truncated: true }]);
  });

  it('that goes before the answer is recorded so: the upstream may have acted', async () => {
    const { upstream, proxy, records } = await stage(() => undefined);
    const caller = await call(proxy.port, post('/a', '{"jobId":"j1"}'));
    await eventually('the upstream has it', () => upstream.seen.length === 1);
    caller.socket.destroy();
    await eventually('the upstream is rid of it', () => upstream.sockets.size === 0);
    await eventually('it is recorded', () => records.length === 1);
    expect(records).toMatchObject([{ status: null, failure: 'client-gone', body: { jobId: 'j1' } }]);
  });

  it('that sends and reads byte by byte delays nobody else', async () => {
    const { proxy, records } = await stage();
    const slow = await call(proxy.port);
    const bytes = [...post('/slow', '{"jobId":"slow"}')];
    for (const byte of bytes.slice(0, -1)) slow.send(byte);
    for (let n = 0; n < 20; n++) {
      const quick = await call(proxy.port, post('/quick', '{}'));
      await within('the answer to a quick one', quick.has(OK.length));
      quick.socket.destroy();
    }
    slow.send(bytes.at(-1) ?? '');
    await within('the answer to the slow one', slow.has(OK.length));
    await eventually('all are recorded', () => records.length === 21);
    expect(records.at(-1)).toMatchObject({ path: '/slow', body: { jobId: 'slow' } });
  });
});

describe('whoever keeps the records', () => {
  const sendTen = async (port: number) => {
    for (let n = 0; n < 10; n++) {
      const caller = await call(port, post(`/a/${n}`, '{}', 'Connection: close'));
      await within('the answer', caller.has(OK.length));
      expect(caller.received()).toBe(OK);
      caller.socket.destroy();
    }
  };

  it('may throw: callbacks pass, and what was not kept is a gap', async () => {
    const { proxy, gaps } = await stage(() => OK, {
      onRecord: () => {
        throw new Error('disk full');
      },
    });
    await sendTen(proxy.port);
    await eventually('all are lost', () => proxy.counts().lost === 10);
    await eventually('all are told', () => gaps.reduce((sum, { lost }) => sum + lost, 0) === 10);
    expect(gaps[0]).toMatchObject({ reason: 'refused', cause: 'disk full' });
  });

  it('may hang: callbacks pass, the backlog is bounded, and closing waits no longer than it may', async () => {
    const { proxy, gaps } = await stage(() => OK, {
      backlogLimit: 3,
      onRecord: () => new Promise(() => {}),
    });
    await sendTen(proxy.port);
    await eventually('the rest is lost', () => proxy.counts().lost === 6);
    expect(proxy.counts()).toMatchObject({ callbacks: 10, waiting: 4 });
    expect(gaps[0]).toMatchObject({ reason: 'too-slow' });
    const ending = await within('the end', proxy.close({ drainMs: 20 }));
    expect(ending).toMatchObject({ lost: 10, inFlight: 0 });
    expect(ending).not.toHaveProperty('untoldGap');
    expect(gaps.reduce((sum, { lost }) => sum + lost, 0)).toBe(10);
  });

  it('may refuse the gaps, too: they are told when it is well again, or at the end', async () => {
    let well = false;
    const told: number[] = [];
    const { proxy } = await stage(() => OK, {
      onRecord: () => {
        if (!well) throw new Error('disk full');
      },
      onGap: ({ lost }) => {
        if (!well) throw new Error('disk full');
        told.push(lost);
      },
    });
    await sendTen(proxy.port);
    await eventually('all are lost', () => proxy.counts().lost === 10);
    well = true;
    await sendTen(proxy.port);
    await eventually('the gap is told', () => told.length > 0);
    expect(told).toEqual([10]);
    well = false;
    await sendTen(proxy.port);
    const ending = await proxy.close();
    expect(ending).toMatchObject({ callbacks: 30, lost: 20, untoldGap: { lost: 10, reason: 'refused' } });
  });
});

describe('an address that is taken', () => {
  it('is a usage error that says what to do', async () => {
    const server = createServer(() => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    releases.push(async () => void server.close());
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const started = startProxy({ a: 'http://127.0.0.1:1' }, { listen: { port } });
    await expect(started).rejects.toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('another port'),
    });
  });
});
