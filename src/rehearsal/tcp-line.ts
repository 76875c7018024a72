/** The line between the services and a RabbitMQ that is not ours to restart: it can be cut, and joined again. */

import type { AddressInfo } from 'node:net';
import { connect as connectTo, createServer, type Socket } from 'node:net';

export interface TcpLine {
  /** The broker's URL, by way of this line. */
  readonly url: string;
  /** Ends every connection, and refuses new ones. */
  cut(): void;
  join(): void;
  close(): Promise<void>;
}

const DEFAULT_PORT = 5672;

/** Undefined for URLs that it cannot stand in for: it has no certificate of the broker. */
export async function startTcpLine(brokerUrl: string): Promise<TcpLine | undefined> {
  const url = new URL(brokerUrl);
  if (url.protocol !== 'amqp:') return undefined;
  const host = url.hostname.replace(/^\[|\]$/g, '') || '127.0.0.1';
  const target = { host, port: Number(url.port || DEFAULT_PORT) };
  const sockets = new Set<Socket>();
  let isCut = false;

  const server = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const broker = connectTo(target);
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {}); // `close` follows
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  const destroyAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: url.href,
    cut() {
      isCut = true;
      destroyAll();
    },
    join() {
      isCut = false;
    },
    async close() {
      destroyAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
