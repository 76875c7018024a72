/**
 * An HTTP forwarder in the way of the callbacks, where faults are planted. It passes bodies and answers as they are, unless it
 * was told otherwise; a service that is away is away for the caller, too.
 */
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CallbackSeen {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface ForwarderOptions {
  /** Where a callback goes now, by its path; undefined: nobody is there. */
  readonly target: (path: string) => string | undefined;
  /** Told of each callback before it is passed on. */
  readonly onCallback?: (callback: CallbackSeen) => void;
  /** An answer instead of passing it on. */
  readonly answer?: (callback: CallbackSeen) => number | undefined;
  /** Another body instead of its own. */
  readonly alter?: (callback: CallbackSeen) => Buffer;
}

export interface Forwarder {
  readonly url: string;
  close(): Promise<void>;
}

/** What belongs to one connection (RFC 9110, section 7.6.1), and the length, which may be another one. */
const NOT_PASSED = ['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'host'];

export async function startForwarder(options: ForwarderOptions): Promise<Forwarder> {
  const agent = new Agent({ keepAlive: true });
  const server = createServer((incoming, response) => {
    forward(incoming, response, agent, options).catch(() => {
      // As if it had called the service itself: a connection that breaks.
      response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      agent.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function forward(
  incoming: IncomingMessage,
  response: ServerResponse,
  agent: Agent,
  { target, onCallback, answer, alter }: ForwarderOptions,
): Promise<void> {
  const path = incoming.url ?? '/';
  const callback = { path, headers: incoming.headers, body: await bodyOf(incoming) };
  onCallback?.(callback);
  const planted = answer?.(callback);
  if (planted !== undefined) {
    const error = planted >= 500 ? 'UNAVAILABLE' : 'VALIDATION_ERROR';
    response.writeHead(planted, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error, message: 'planted by the rehearsal' }));
    return;
  }
  const base = target(path);
  if (base === undefined) throw new Error('nobody is there');
  const body = alter?.(callback) ?? callback.body;
  const headers = Object.entries(incoming.headers).filter(([name]) => !NOT_PASSED.includes(name));
  const passed = request(`${base}${path}`, {
    agent,
    ...(incoming.method !== undefined && { method: incoming.method }),
    headers: { ...Object.fromEntries(headers), 'content-length': body.length },
  });
  const answered = await new Promise<IncomingMessage>((resolve, reject) => {
    passed.once('response', resolve);
    passed.once('error', reject);
    passed.end(body);
  });
  const content = await bodyOf(answered);
  const type = answered.headers['content-type'];
  response.writeHead(answered.statusCode ?? 502, { ...(type !== undefined && { 'content-type': type }) });
  response.end(content);
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
