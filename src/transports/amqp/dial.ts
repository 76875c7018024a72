/** One bounded attempt to connect. */
import { readFile } from 'node:fs/promises';
import { connect, type SocketOptions } from 'amqplib';
import { EventsError, messageOf } from '../../core/errors.js';
import { type AmqpAddress, type AmqpTlsOptions, whereIs } from './address.js';
import { makeWire, type Wire } from './wire.js';

export interface DialOptions {
  readonly address: AmqpAddress;
  readonly tls: AmqpTlsOptions;
  readonly connectionName: string;
  /** Milliseconds until the attempt is given up, handshakes included. */
  readonly timeoutMs: number;
}

/**
 * Room for a burst of messages. With Node's 16 KiB the stream is full after some thirty; amqplib then sends the
 * rest on `drain`, one system call per message (7 of 30 microseconds each in a profile). The window bounds it.
 */
const WRITE_BUFFER_BYTES = 4 * 1024 * 1024;

export async function dial({ address, tls, connectionName, timeoutMs }: DialOptions): Promise<Wire> {
  const limit = Math.max(1, Math.min(timeoutMs, address.attemptTimeoutMs ?? Number.POSITIVE_INFINITY));
  const socket: SocketOptions & { writableHighWaterMark: number; highWaterMark: number } = {
    ...(address.scheme === 'amqps' ? await tlsOptions(address, tls) : {}),
    noDelay: true,
    // net's name and tls's for the same bound.
    writableHighWaterMark: WRITE_BUFFER_BYTES,
    highWaterMark: WRITE_BUFFER_BYTES,
    keepAlive: true,
    // Destroys a socket that stays silent; the timer below bounds one that trickles.
    timeout: limit,
    clientProperties: { connection_name: connectionName, product: 'atma-events' },
  };
  const attempt = connect(
    {
      protocol: address.scheme,
      hostname: address.host,
      port: address.port,
      username: address.user,
      password: address.password,
      vhost: encodeURIComponent(address.vhost),
      heartbeat: address.heartbeat,
      channelMax: address.channelMax,
    },
    socket,
  ).then(makeWire);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('ETIMEDOUT')), limit);
  });
  try {
    return await Promise.race([attempt, late]);
  } catch (error) {
    // It may still come up after its time; nobody would own it.
    attempt.then(
      (wire) => wire.destroy(),
      () => {}, // it failed as reported
    );
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function tlsOptions(address: AmqpAddress, tls: AmqpTlsOptions): Promise<SocketOptions> {
  const [ca, cert, key] = await Promise.all([
    tls.ca ?? read(address.caFile, 'cacertfile', address),
    tls.cert ?? read(address.certFile, 'certfile', address),
    tls.key ?? read(address.keyFile, 'keyfile', address),
  ]);
  const serverName = tls.serverName ?? address.serverName;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    rejectUnauthorized: !(tls.insecure ?? !address.verify),
  };
}

async function read(
  file: string | undefined,
  parameter: string,
  address: AmqpAddress,
): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file);
  } catch (error) {
    throw new EventsError('usage', `Cannot read ${parameter} for ${whereIs(address)}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
