/** A service that gets callbacks: a real HTTP server that answers as a test says, and keeps what it saw. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createCallbackClient } from '../../src/legacy/callback-client.js';
import type { CallbackClientOptions } from '../../src/legacy/callback-client-options.js';

export interface SeenCallback {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

export interface Service {
  readonly url: string;
  readonly port: number;
  readonly seen: readonly SeenCallback[];
  /** Connections that are open. */
  readonly sockets: ReadonlySet<Socket>;
  /** Connections that there were. */
  connections(): number;
  /** The most connections that were open at once. */
  mostAtOnce(): number;
  close(): Promise<void>;
}

export type Answer = (response: ServerResponse, request: IncomingMessage, seen: SeenCallback) => unknown;

/** `answer`: a status for every request, or a function that answers (or does not). `port` 0: any. */
export async function startService(answer: number | Answer = 200, port = 0): Promise<Service> {
  const seen: SeenCallback[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let most = 0;
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const callback = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    seen.push(callback);
    if (typeof answer === 'number') response.writeHead(answer).end();
    else answer(response, request, callback);
  });
  server.keepAliveTimeout = 60_000; // longer than any test waits: who closes a connection sooner is the client
  server.on('connection', (socket) => {
    connections++;
    sockets.add(socket);
    most = Math.max(most, sockets.size);
    socket.on('error', () => {}); // resets are part of the tests
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen({ port, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    seen,
    sockets,
    connections: () => connections,
    mostAtOnce: () => most,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Answers with one status after the other; the last one stays. */
export function inTurn(...statuses: readonly number[]): Answer {
  let next = 0;
  return (response) => response.writeHead(statuses[Math.min(next++, statuses.length - 1)] ?? 200).end();
}

/** A client of one service, `notification`; its pauses take no time unless asked for. */
export function clientOf(url: string, options: Partial<CallbackClientOptions> = {}) {
  return createCallbackClient({ services: { notification: url }, random: () => 0, ...options });
}

export const CALLBACK = {
  service: 'notification',
  method: 'POST',
  path: '/notifications/analysis-complete',
  body: { jobId: 'j1', status: 'completed' },
} as const;

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it did not reject');
}
