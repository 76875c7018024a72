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
  /** Gives the attempt up at once. Without effect on a connection that is open. */
  readonly signal: AbortSignal;
}

/** Rejects with what went wrong, with `signal`'s reason once that is aborted; nothing is left behind then. */
export async function dial({ address, tls, connectionName, timeoutMs, signal }: DialOptions): Promise<Wire> {
  const limit = Math.max(1, Math.min(timeoutMs, address.attemptTimeoutMs ?? Number.POSITIVE_INFINITY));
  const tlsSocket = address.scheme === 'amqps' ? await tlsOptions(address, tls) : {};
  signal.throwIfAborted();
  // Of this attempt alone: once open, the connection is out of its reach, and of `signal`'s.
  const attempt = new AbortController();
  const giveUp = () => attempt.abort(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  const timer = setTimeout(() => attempt.abort(new Error('ETIMEDOUT')), limit);
  const socket: SocketOptions & { signal: AbortSignal } = {
    ...tlsSocket,
    noDelay: true,
    keepAlive: true,
    // Destroys the socket in whatever phase it is, which rejects the attempt.
    signal: attempt.signal,
    clientProperties: { connection_name: connectionName, product: 'atma-events' },
  };
  try {
    const model = await connect(
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
    );
    return makeWire(model);
  } catch (error) {
    throw attempt.signal.aborted ? attempt.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
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
