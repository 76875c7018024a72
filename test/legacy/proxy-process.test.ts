/** A proxy that is a process: large bodies in little memory, and its end by SIGTERM. */
import { createHash } from 'node:crypto';
import { createServer, request, type Server } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, within } from '../await.js';
import { call, OK, post, startRawUpstream } from './peers.js';
import { startProxyProcess } from './proxy-process.js';

const releases: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release();
});

async function start(args: Parameters<typeof startProxyProcess>[0]) {
  const proxy = await startProxyProcess(args);
  releases.push(() => proxy.stop());
  return proxy;
}

const MB = 2 ** 20;
const LARGE = 100;

/** So many megabytes that repeat nowhere, and their digest when they are through. */
function large(): { readonly stream: Readable; digest(): string } {
  const hash = createHash('sha256');
  const stream = Readable.from(
    (function* () {
      for (let n = 0; n < LARGE * 16; n++) {
        const piece = Buffer.alloc(MB / 16, `piece ${n} `);
        hash.update(piece);
        yield piece;
      }
    })(),
    { objectMode: false, highWaterMark: MB / 16 },
  );
  return { stream, digest: () => hash.digest('hex') };
}

async function digestOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of stream) hash.update(piece);
  return hash.digest('hex');
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  releases.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

describe('bodies of 100 MB', () => {
  it('pass both ways at once, whole, in little memory, and are recorded by their start', async () => {
    const answers: { received: string; sent: () => string }[] = [];
    const url = await listening(
      createServer(async (incoming, response) => {
        const { stream, digest } = large();
        const [received] = await Promise.all([
          digestOf(incoming),
          pipeline(stream, response, { end: false }),
        ]);
        answers.push({ received, sent: digest });
        response.end();
      }),
    );
    const proxy = await start({ upstream: url });
    const before = await proxy.peakMB();

    const body = large();
    const answer = await new Promise<string>((resolve, reject) => {
      const outgoing = request({ port: proxy.port, host: '127.0.0.1', method: 'POST', path: '/large' });
      outgoing.on('response', (incoming) => digestOf(incoming).then(resolve, reject));
      outgoing.on('error', reject);
      pipeline(body.stream, outgoing).catch(reject);
    });

    await eventually('the upstream has it all', () => answers.length === 1);
    expect(answers[0]?.received).toBe(body.digest());
    expect(answer).toBe(answers[0]?.sent());
    // Streaming at full speed leaves garbage of some tens of MB, of 200 that went through.
    expect((await proxy.peakMB()) - before).toBeLessThan(90);
    expect(await proxy.line('record')).toMatchObject({
      status: 200,
      truncated: true,
      bodyBytes: LARGE * MB,
      bodyLength: MB + 2,
    });
  });

  it('wait in the caller when the upstream does not read', async () => {
    let read = () => {};
    const url = await listening(
      createServer((incoming, response) => {
        read = () => void digestOf(incoming).then((digest) => response.end(digest));
      }),
    );
    const proxy = await start({ upstream: url });
    const before = await proxy.peakMB();
    const body = large();
    const outgoing = request({ port: proxy.port, host: '127.0.0.1', method: 'POST', path: '/large' });
    const answer = new Promise<string>((resolve, reject) => {
      outgoing.on('error', reject);
      outgoing.on('response', async (incoming) => {
        let text = '';
        for await (const piece of incoming) text += piece;
        resolve(text);
      });
    });
    let given = 0;
    const paused = new Promise<void>((resolve) => {
      body.stream.on('data', (piece: Buffer) => {
        given += piece.length;
        if (outgoing.write(piece)) return;
        body.stream.pause();
        resolve();
      });
    });
    outgoing.on('drain', () => body.stream.resume());
    body.stream.on('end', () => outgoing.end());
    await within('the caller is held back', paused);
    // Nobody reads: all that was given stays in the sockets' buffers, which settle.
    let last = -1;
    await eventually(
      'no more is taken',
      () => {
        const settled = given === last;
        last = given;
        return settled;
      },
      { everyMs: 200 },
    );
    expect(given).toBeLessThan(40 * MB);
    read();
    expect(await within('the answer', answer, 30_000)).toBe(body.digest());
    expect((await proxy.peakMB()) - before).toBeLessThan(90);
  });
});

describe('SIGTERM', () => {
  it('lets the callbacks in flight end, takes no more, and records them all', async () => {
    const upstream = await startRawUpstream(() => undefined);
    releases.push(() => upstream.close());
    const proxy = await start({ upstream: upstream.url });
    const idle = await call(proxy.port);
    const callers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => call(proxy.port, post(`/a/${n}`, '{}'))),
    );
    await eventually('all are in flight', () => upstream.seen.length === 20);
    proxy.child.kill('SIGTERM');
    await proxy.line('draining');
    await within('an idle connection is closed', idle.closed);
    const late = await call(proxy.port);
    await within('a new caller is turned away', late.closed);
    for (const socket of upstream.sockets) socket.write(OK);
    await Promise.all(callers.map((caller) => within('the answer', caller.has(OK.length))));
    expect(callers.map((caller) => caller.received())).toEqual(callers.map(() => OK));
    expect(await within('the end', proxy.ended)).toBe(0);
    expect(proxy.lines.filter((line) => 'record' in line)).toHaveLength(20);
    expect(await proxy.line('ending')).toEqual({ callbacks: 20, inFlight: 0, waiting: 0, lost: 0 });
  });

  it('cuts off what does not end in time, and records it so', async () => {
    const upstream = await startRawUpstream(() => undefined);
    releases.push(() => upstream.close());
    const proxy = await start({ upstream: upstream.url, drainMs: 50 });
    const caller = await call(proxy.port, post('/a', '{}'));
    await eventually('it is in flight', () => upstream.seen.length === 1);
    proxy.child.kill('SIGTERM');
    await within('the caller is cut off', caller.closed);
    expect(await within('the end', proxy.ended)).toBe(0);
    expect(await proxy.line('record')).toMatchObject({ status: null, failure: 'stopped' });
  });
});
