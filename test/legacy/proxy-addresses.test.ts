/** Upstreams behind TLS and on IPv6. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, within } from '../await.js';
import { call, post, startProxy } from './peers.js';
import { startProxyProcess } from './proxy-process.js';

const releases: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release();
});

async function portOf(server: Server, host: string): Promise<number> {
  server.listen(0, host);
  await once(server, 'listening');
  releases.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A certificate for localhost that signs itself. */
function certificate() {
  const folder = mkdtempSync(join(tmpdir(), 'atma-proxy-tls-'));
  releases.push(async () => rmSync(folder, { recursive: true, force: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  execFileSync(
    'openssl',
    [...request, '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert],
    {
      stdio: 'pipe',
    },
  );
  return { path: cert, key: readFileSync(key), cert: readFileSync(cert) };
}

describe('an upstream behind TLS', () => {
  it('is verified by the name of its URL, whatever name the caller sends in Host', async () => {
    const { path, key, cert } = certificate();
    const seen: [host: string | undefined, servername: unknown][] = [];
    const server = createHttpsServer({ key, cert }, (incoming, response) => {
      seen.push([incoming.headers.host, (incoming.socket as TLSSocket).servername]);
      response.end('safe');
    });
    const port = await portOf(server, 'localhost');
    const proxy = await startProxyProcess(
      { upstream: `https://localhost:${port}` },
      { NODE_EXTRA_CA_CERTS: path },
    );
    releases.push(() => proxy.stop());
    const caller = await call(proxy.port, post('/a', '{}').replace('localhost:4010', 'proxy.internal:4010'));
    await eventually('the answer', () => caller.received().endsWith('safe'));
    caller.socket.destroy();
    expect(caller.received()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(seen).toEqual([['proxy.internal:4010', 'localhost']]);
  });

  it('that nobody vouches for gets no callback', async () => {
    const { key, cert } = certificate();
    let requests = 0;
    const server = createHttpsServer({ key, cert }, (_incoming, response) => {
      requests++;
      response.end();
    });
    const port = await portOf(server, 'localhost');
    const { proxy, records } = await startProxy({ a: `https://localhost:${port}` });
    releases.push(() => proxy.close({ drainMs: 0 }));
    const caller = await call(proxy.port, post('/a', '{}'));
    await within('the end', caller.closed);
    expect(caller.received()).toMatch(/^HTTP\/1\.1 502 /);
    await eventually('it is recorded', () => records.length === 1);
    expect(records).toMatchObject([
      { status: null, failure: 'unreachable', cause: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    ]);
    expect(requests).toBe(0);
  });
});

describe('an upstream on IPv6', () => {
  it('is reached by its address', async () => {
    const port = await portOf(
      createHttpServer((_incoming, response) => response.end('six')),
      '::1',
    );
    const { proxy } = await startProxy({ a: `http://[::1]:${port}` }, { listen: { host: '::1', port: 0 } });
    releases.push(() => proxy.close({ drainMs: 0 }));
    expect(proxy.url).toBe(`http://[::1]:${proxy.port}`);
    const answer = await fetch(proxy.url, { method: 'POST', body: '{}' });
    expect(await answer.text()).toBe('six');
  });
});
