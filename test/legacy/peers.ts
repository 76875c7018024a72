/** The two ends of a callback, on raw sockets: what is compared is what was on the wire. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { CallbackRecord } from '../../src/legacy/callback-record.js';
import { type RecordingProxyOptions, startRecordingProxy } from '../../src/legacy/proxy.js';
import type { CallbackGap } from '../../src/legacy/record-queue.js';

/** A request as its receiver saw it. */
export interface Seen {
  /** Request line and header lines, to the empty line. */
  readonly head: string;
  /** As on the wire: with its chunk sizes, where it came in chunks. */
  readonly body: string;
  readonly connection: number;
}

export interface RawUpstream {
  readonly url: string;
  readonly port: number;
  readonly seen: readonly Seen[];
  readonly sockets: ReadonlySet<Socket>;
  close(): Promise<void>;
}

/** Answers each whole request (`latin1` text) with what `answer` gives; undefined leaves it unanswered. */
export async function startRawUpstream(
  answer: (request: Seen, socket: Socket) => string | undefined,
  onHead?: (head: string, socket: Socket) => void,
): Promise<RawUpstream> {
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    const connection = connections++;
    sockets.add(socket);
    socket.on('error', () => {}); // resets are part of the tests
    socket.on('close', () => sockets.delete(socket));
    let text = '';
    let headSeen = false;
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (;;) {
        const head = headOf(text);
        if (head !== undefined && !headSeen) onHead?.(head, socket);
        headSeen = head !== undefined;
        const length = head === undefined ? undefined : bodyLength(head, text.slice(head.length));
        if (head === undefined || length === undefined) return;
        const request = { head, body: text.slice(head.length, head.length + length), connection };
        text = text.slice(head.length + length);
        headSeen = false;
        seen.push(request);
        const reply = answer(request, socket);
        if (reply !== undefined) socket.write(reply, 'latin1');
      }
    });
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    seen,
    sockets,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function headOf(text: string): string | undefined {
  const end = text.indexOf('\r\n\r\n');
  return end === -1 ? undefined : text.slice(0, end + 4);
}

/** Length of the body on the wire, or undefined while it is not whole. */
function bodyLength(head: string, rest: string): number | undefined {
  if (/^transfer-encoding:.*chunked/im.test(head)) {
    const end = /(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(rest);
    return end === null ? undefined : end.index + end[0].length;
  }
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  return rest.length >= length ? length : undefined;
}

export interface RawCaller {
  readonly socket: Socket;
  /** All that came back so far, `latin1`. */
  received(): string;
  /** Resolves when so many bytes have come back, or the connection is closed. */
  has(bytes: number): Promise<void>;
  send(text: string): void;
  /** Resolves when the connection is closed, however that came. */
  readonly closed: Promise<void>;
}

export async function call(port: number, text = ''): Promise<RawCaller> {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1');
  });
  socket.on('error', () => {}); // a reset is a close here
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await Promise.race([once(socket, 'connect').catch(() => {}), closed]);
  if (text !== '') socket.write(text, 'latin1');
  const has = (bytes: number) =>
    Promise.race([
      closed,
      new Promise<void>((resolve) => {
        const look = () => {
          if (received.length < bytes) return;
          socket.off('data', look);
          resolve();
        };
        socket.on('data', look);
        look();
      }),
    ]);
  return { socket, received: () => received, has, send: (more) => socket.write(more, 'latin1'), closed };
}

/** A callback as the worker sends it, as `latin1` text of its bytes. */
export function post(path: string, body: string, ...lines: string[]): string {
  return [
    `POST ${path} HTTP/1.1`,
    'Accept: application/json, text/plain, */*',
    'Content-Type: application/json',
    'X-Internal-Service: true',
    'X-Service-Key: s3cret',
    ...lines,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Host: localhost:4010',
    '',
    Buffer.from(body).toString('latin1'),
  ].join('\r\n');
}

export const OK = 'HTTP/1.1 200 OK\r\nX-Powered-By: Express\r\nContent-Length: 2\r\n\r\nok';

export interface Kept {
  readonly records: CallbackRecord[];
  readonly gaps: CallbackGap[];
}

/** A proxy on a free port that keeps what it records. */
export async function startProxy(
  upstreams: RecordingProxyOptions['upstreams'],
  options: Partial<RecordingProxyOptions> = {},
) {
  const kept: Kept = { records: [], gaps: [] };
  const proxy = await startRecordingProxy({
    listen: { port: 0 },
    upstreams,
    onRecord: (record) => void kept.records.push(record),
    onGap: (gap) => void kept.gaps.push(gap),
    ...options,
  });
  return { ...kept, proxy };
}
