import { createServer, type Server, Socket } from 'node:net';

/** A TCP proxy on 127.0.0.1 whose faults a test can switch on and off. */
export interface TcpProxy {
  readonly port: number;
  /** Connections open now. */
  connections(): number;
  /** Destroys every connection, both halves, with a reset. */
  cut(): void;
  /** New connections are destroyed at once; those open stay. */
  refuse(): void;
  accept(): void;
  /** What the server sends is held back from here on (the client sees silence). */
  stallServerToClient(): void;
  resumeServerToClient(): void;
  /** What the client sends is held back from here on. */
  stallClientToServer(): void;
  resumeClientToServer(): void;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** Listens on a free port of 127.0.0.1 and forwards every connection to `targetPort` there. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  let refusing = false;
  let serverStalled = false;
  let clientStalled = false;

  const listener = createServer((client) => {
    if (refusing) {
      client.on('error', ignoreReset);
      client.resetAndDestroy();
      return;
    }
    const server = new Socket();
    const pair = { client, server };
    pairs.add(pair);
    link(server, client, () => serverStalled);
    link(client, server, () => clientStalled);
    const drop = () => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.on('error', ignoreReset);
      socket.on('close', drop);
    }
    server.connect(targetPort, '127.0.0.1');
  });
  const port = await listen(listener);

  return {
    port,
    connections: () => pairs.size,
    cut() {
      for (const { client, server } of pairs) {
        client.resetAndDestroy();
        server.destroy();
      }
      pairs.clear();
    },
    refuse() {
      refusing = true;
    },
    accept() {
      refusing = false;
    },
    stallServerToClient() {
      serverStalled = true;
      for (const { server } of pairs) server.pause();
    },
    resumeServerToClient() {
      serverStalled = false;
      for (const { server } of pairs) server.resume();
    },
    stallClientToServer() {
      clientStalled = true;
      for (const { client } of pairs) client.pause();
    },
    resumeClientToServer() {
      clientStalled = false;
      for (const { client } of pairs) client.resume();
    },
    close() {
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
      return new Promise((resolve) => listener.close(() => resolve()));
    },
  };
}

/** `pipe` resumes a source by itself on drain, which would undo a stall; so the forwarding is by hand. */
function link(from: Socket, to: Socket, stalled: () => boolean): void {
  from.on('data', (chunk: Buffer) => {
    if (!to.write(chunk)) from.pause();
    if (stalled()) from.pause();
  });
  to.on('drain', () => {
    if (!stalled()) from.resume();
  });
  from.on('end', () => to.end());
  if (stalled()) from.pause();
}

/** Resets are what this proxy is for; the `close` that follows does the tidying. */
function ignoreReset(): void {}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('proxy has no port'));
      else resolve(address.port);
    });
  });
}
