/** What goes in comes out, byte for byte, both ways. */
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, within } from '../await.js';
import { call, OK, post, type RawUpstream, startProxy, startRawUpstream } from './peers.js';

const releases: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release();
});

type Answer = Parameters<typeof startRawUpstream>[0];

async function stage(answer: Answer = () => OK, onHead?: Parameters<typeof startRawUpstream>[1]) {
  const upstream: RawUpstream = await startRawUpstream(answer, onHead);
  releases.push(() => upstream.close());
  const { proxy, records, gaps } = await startProxy({ notification: upstream.url });
  releases.push(() => proxy.close({ drainMs: 0 }));
  return { upstream, proxy, records, gaps };
}

/** Sends it through the proxy, and waits for the whole answer. */
async function roundTrip(port: number, request: string, answer: string): Promise<string> {
  const caller = await call(port, request);
  await within('the whole answer', caller.has(answer.length), 25_000); // a thousand share two busy cores
  caller.socket.destroy();
  return caller.received();
}

describe('the recording proxy', () => {
  it('passes a thousand callbacks at once, and their answers, byte for byte', async () => {
    const answerTo = (n: string) =>
      `HTTP/1.1 ${200 + (Number(n) % 300)} Reason ${n}\r\nX-Number: ${n}\r\nset-Cookie: a=${n}\r\n` +
      `Set-Cookie: b=${n}\r\nContent-Type: application/json\r\nContent-Length: ${n.length + 8}\r\n\r\n{"n":"${n}"}`;
    const { upstream, proxy, records } = await stage(({ head }) =>
      answerTo(/x-N: (\d+)/.exec(head)?.[1] ?? ''),
    );
    const numbers = Array.from({ length: 1000 }, (_, n) => String(n)).filter(
      (n) => !['204', '304'].includes(String(200 + (Number(n) % 300))),
    );
    const requests = numbers.map((n) =>
      post(`/notifications/analysis-complete?n=${n}&x=%2F`, `{"jobId":"job-${n}","é":"ü"}`, `x-N: ${n}`),
    );
    const answers = await Promise.all(
      numbers.map((n, i) => roundTrip(proxy.port, requests[i] ?? '', answerTo(n))),
    );
    expect(answers).toEqual(numbers.map(answerTo));
    expect(upstream.seen.map(({ head, body }) => head + body).toSorted()).toEqual(requests.toSorted());
    await eventually('all are recorded', () => records.length === numbers.length);
    expect(new Set(records.map(({ path }) => path)).size).toBe(numbers.length);
  });

  it.each([
    ['a refusal', 'HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno!'],
    ['a redirect', 'HTTP/1.1 307 Temporary Redirect\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n'],
    ['an empty answer', 'HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n'],
    ['not modified', 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 77\r\n\r\n'],
    ['chunks', 'HTTP/1.1 200 OK\r\ntransfer-ENCODING: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'],
    [
      'trailers',
      'HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n',
    ],
    [
      'no reason phrase and odd case',
      'HTTP/1.1 200 \r\nx-A: 1\r\nX-a: 2\r\nDATE: never\r\nContent-Length: 0\r\n\r\n',
    ],
    ['bytes above ASCII in headers', 'HTTP/1.1 200 OK\r\nX-Name: B\xfcdi\r\nContent-Length: 1\r\n\r\n\xff'],
    [
      'a promise to keep alive',
      'HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n',
    ],
    ['an announced close', 'HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx'],
  ])('returns %s as it is', async (_what, answer) => {
    const { proxy } = await stage(() => answer);
    expect(await roundTrip(proxy.port, post('/notifications/x', '{}'), answer)).toBe(answer);
  });

  it('returns an answer that only the end of its connection ends, and ends it, too', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nuntil the end';
    const { proxy } = await stage((_request, socket) => {
      socket.end(answer);
      return undefined;
    });
    const caller = await call(proxy.port, post('/x', '{}'));
    await within('the end', caller.closed);
    expect(caller.received()).toBe(answer);
  });

  it.each([
    [
      'in chunks, with trailers',
      'POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\nHost: h\r\n\r\n',
      '2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n',
    ],
    [
      'with repeated names',
      'POST /a HTTP/1.1\r\nUser-Agent: a\r\nUser-Agent: b\r\nX-A: 1\r\nX-A: 2\r\nHost: h\r\nContent-Length: 1\r\n\r\n',
      'x',
    ],
    [
      'with Connection: close',
      'POST /a HTTP/1.1\r\nHost: h\r\nconnection: close\r\nContent-Length: 1\r\n\r\n',
      'x',
    ],
    ['without a body', 'POST /a HTTP/1.1\r\nHost: h\r\n\r\n', ''],
    ['of DELETE without a body', 'DELETE /a HTTP/1.1\r\nHost: h\r\n\r\n', ''],
    ['of GET with a body', 'GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n', '{}'],
    ['of OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n', ''],
    [
      'with an odd path',
      'PATCH //a/../%2f;b?x=1&&x=[]? HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n',
      'x',
    ],
    [
      'with 100 kB of headers',
      `POST /a HTTP/1.1\r\nHost: h\r\nX-Long: ${'x'.repeat(100_000)}\r\nContent-Length: 0\r\n\r\n`,
      '',
    ],
  ])('passes a request %s as it is', async (_what, head, body) => {
    const { upstream, proxy } = await stage();
    await roundTrip(proxy.port, head + body, OK);
    expect(upstream.seen).toMatchObject([{ head, body }]);
  });

  it('brings repeated names of a request together, each with its own value and in their order', async () => {
    const { upstream, proxy } = await stage();
    const head = (lines: string) => `POST /a HTTP/1.1\r\n${lines}Host: h\r\nContent-Length: 0\r\n\r\n`;
    await roundTrip(proxy.port, head('X-A: 1\r\nX-B: 2\r\nx-a: 3\r\n'), OK);
    expect(upstream.seen).toMatchObject([{ head: head('X-A: 1\r\nX-A: 3\r\nX-B: 2\r\n') }]);
  });

  it('answers HEAD with a length and no body', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n';
    const { proxy } = await stage(() => answer);
    const caller = await call(proxy.port, 'HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n');
    await eventually('the head', () => caller.received() === answer);
    caller.send('HEAD /b HTTP/1.1\r\nHost: h\r\n\r\n');
    await eventually('the next one on the same connection', () => caller.received() === answer + answer);
  });

  it('keeps a connection of its own to the upstream for each of a caller, and answers in order', async () => {
    const { upstream, proxy } = await stage();
    const [one, two] = [await call(proxy.port), await call(proxy.port)];
    one.send(post('/x/1', '1') + post('/x/2', '2'));
    await eventually('both answers', () => one.received() === OK + OK);
    two.send(post('/x/3', '3'));
    one.send(post('/x/4', '4'));
    await eventually('all answers', () => two.received() === OK && one.received() === OK + OK + OK);
    expect(upstream.seen.map(({ body, connection }) => [body, connection])).toEqual(
      expect.arrayContaining([
        ['1', 0],
        ['2', 0],
        ['3', 1],
        ['4', 0],
      ]),
    );
  });

  it('leaves nothing behind on a connection that carries many callbacks', async () => {
    const { upstream, proxy } = await stage();
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    releases.push(async () => void process.off('warning', onWarning));
    const caller = await call(proxy.port);
    for (let n = 1; n <= 50; n++) {
      caller.send(post(`/x/${n}`, '{}'));
      await within('the answer', caller.has(n * OK.length));
    }
    expect(new Set(upstream.seen.map(({ connection }) => connection))).toEqual(new Set([0]));
    // Node warns of the eleventh listener of a kind.
    expect(warnings.map(({ name }) => name)).toEqual([]);
  });

  it('lets a caller that expects 100 Continue wait for the word of the upstream', async () => {
    const head = 'POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n';
    const heads: string[] = [];
    const { upstream, proxy, records } = await stage(undefined, (seen, socket) => {
      heads.push(seen);
      if (seen === head) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    });
    const caller = await call(proxy.port, head);
    await eventually('leave to go on', () => caller.received() === 'HTTP/1.1 100 Continue\r\n\r\n');
    expect(upstream.seen).toEqual([]);
    caller.send('hi');
    await eventually('the answer', () => caller.received().endsWith(OK));
    expect(upstream.seen).toMatchObject([{ head, body: 'hi' }]);
    await eventually('it is recorded', () => records.length === 1);
    expect(records).toMatchObject([{ body: 'hi', status: 200 }]);
  });

  it('returns a final answer to a caller that holds its body back', async () => {
    const refusal = 'HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
    const { proxy, records } = await stage(undefined, (_head, socket) => void socket.write(refusal));
    const caller = await call(
      proxy.port,
      'POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n',
    );
    await eventually('the refusal', () => caller.received() === refusal);
    await eventually('it is recorded', () => records.length === 1);
    expect(records).toMatchObject([{ status: 417, truncated: true, bodyBytes: 0, body: null }]);
  });

  it('does not offer to switch protocols, and answers in HTTP', async () => {
    const { upstream, proxy } = await stage();
    const request = (lines: string) => `GET /a HTTP/1.1\r\nHost: h\r\n${lines}X-A: 1\r\n\r\n`;
    const offer =
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n';
    expect(await roundTrip(proxy.port, request(offer), OK)).toBe(OK);
    expect(upstream.seen).toMatchObject([{ head: request('') }]);
  });

  it('serves HTTP/1.0: no chunks, and the connection ends with the answer', async () => {
    const { upstream, proxy } = await stage(
      () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    );
    const caller = await call(proxy.port, 'POST /a HTTP/1.0\r\nContent-Length: 1\r\n\r\nx');
    await within('the end', caller.closed);
    expect(caller.received()).toBe('HTTP/1.1 200 OK\r\n\r\nabc');
    expect(upstream.seen[0]?.head).toBe('POST /a HTTP/1.1\r\nContent-Length: 1\r\nConnection: close\r\n\r\n');
  });
});
