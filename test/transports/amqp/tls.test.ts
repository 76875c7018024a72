import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { findRabbitServer, type RabbitBroker, startRabbit } from '../../brokers/rabbitmq.js';
import { makeQueue, open, take, toQueue } from './stage.js';

interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** A CA and certificates signed by it, made by openssl in `folder`. */
function authority(folder: string, name: string) {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const ca: Pair = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-out',
    ca.cert,
    '-keyout',
    ca.key,
  );
  const issue = (subject: string, extension: string): Pair => {
    const [cert, key, request, extensions] = ['pem', 'key', 'csr', 'ext'].map((end) =>
      join(folder, `${name}-${subject}.${end}`),
    ) as [string, string, string, string];
    writeFileSync(extensions, extension);
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      `/CN=${subject}`,
      '-out',
      request,
      '-keyout',
      key,
    );
    openssl(
      'x509',
      '-req',
      '-in',
      request,
      '-CA',
      ca.cert,
      '-CAkey',
      ca.key,
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      extensions,
      '-out',
      cert,
    );
    return { cert, key };
  };
  return { ca, issue };
}

describe.skipIf(!findRabbitServer())('RabbitMQ over TLS', () => {
  let broker: RabbitBroker;
  let folder: string;
  let ca: Pair;
  let client: Pair;
  let stranger: Pair;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'atma-tls-'));
    const ours = authority(folder, 'ours');
    const theirs = authority(folder, 'theirs');
    const server = ours.issue('server', 'subjectAltName=DNS:rabbit.test');
    ca = ours.ca;
    client = ours.issue('client', 'extendedKeyUsage=clientAuth');
    stranger = theirs.ca;
    broker = await startRabbit({
      tls: { caFile: ca.cert, certFile: server.cert, keyFile: server.key, requireClientCertificate: true },
    });
    return async () => {
      await broker.stop();
      rmSync(folder, { recursive: true, force: true });
    };
  });

  const base = () => broker.tlsUrl ?? '';
  const query = (parameters: Record<string, string>) => `${base()}?${new URLSearchParams(parameters)}`;
  const full = () => ({
    cacertfile: ca.cert,
    certfile: client.cert,
    keyfile: client.key,
    server_name_indication: 'rabbit.test',
  });

  it('publishes and consumes with certificates from the URL', async () => {
    const { transport } = open(query(full()));
    const queue = await makeQueue(transport);
    await transport.publish(toQueue(queue, 'secret'));
    expect(await take(transport, queue, 1)).toEqual(['secret']);
    expect(transport.scheme).toBe('amqps');
  });

  it('publishes with certificates from the options', async () => {
    const { transport } = open(base(), {
      tls: {
        ca: readFileSync(ca.cert),
        cert: readFileSync(client.cert),
        key: readFileSync(client.key),
        serverName: 'rabbit.test',
      },
    });
    await transport.open();
  });

  it.each([
    ['another CA', () => query({ ...full(), cacertfile: stranger.cert })],
    [
      'the system CAs only',
      () => query({ certfile: client.cert, keyfile: client.key, server_name_indication: 'rabbit.test' }),
    ],
    [
      'a name that the certificate does not carry',
      () => query({ ...full(), server_name_indication: 'other.test' }),
    ],
    ['no client certificate', () => query({ cacertfile: ca.cert, server_name_indication: 'rabbit.test' })],
  ])('with %s it is refused at once', async (_name, url) => {
    const { transport } = open(url(), { startTimeoutMs: 25_000 });
    const started = performance.now();
    await expect(transport.open()).rejects.toMatchObject({
      code: 'access-refused',
      message: expect.stringContaining('TLS verification failed'),
      hint: expect.stringContaining('cacertfile'),
    });
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('verify=verify_none accepts any server certificate', async () => {
    const { transport } = open(query({ certfile: client.cert, keyfile: client.key, verify: 'verify_none' }));
    await transport.open();
  });

  it('a certificate file that is not there is named', async () => {
    const { transport } = open(query({ ...full(), cacertfile: '/nowhere/ca.pem' }));
    await expect(transport.open()).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('/nowhere/ca.pem'),
    });
  });

  it('a TLS port that resets whoever speaks in plain is explained all the same', async () => {
    // The broker's own TLS listener, behind a front that resets what does not greet in TLS.
    const front = createServer((socket) => {
      socket.on('error', () => {}); // a probe hangs up here
      socket.once('data', (greeting) => {
        if (greeting[0] !== 0x16) {
          socket.resetAndDestroy();
          return;
        }
        const behind = connectTcp(Number(new URL(base()).port), '127.0.0.1');
        behind.on('error', () => {}); // and there
        behind.write(greeting);
        socket.pipe(behind).pipe(socket);
      });
    });
    await once(front.listen(0, '127.0.0.1'), 'listening');
    const { transport } = open(`amqp://127.0.0.1:${(front.address() as AddressInfo).port}`);
    await expect(transport.open()).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('use amqps://'),
    });
    front.close();
  });

  it('AMQP spoken in plain to the TLS port is explained', async () => {
    const { transport } = open(base().replace('amqps:', 'amqp:'), { startTimeoutMs: 25_000 });
    await expect(transport.open()).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('use amqps://'),
    });
  });
});
