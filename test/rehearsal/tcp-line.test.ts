import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startTcpLine } from '../../src/rehearsal/tcp-line.js';
import { within } from '../await.js';

/** Says what it hears. */
async function echo(): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {}); // cut by the test
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function dial(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {}); // cut by the test
  onTestFinished(() => void socket.destroy());
  return socket;
}

const said = (socket: Socket) =>
  new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()));

describe('the line to a broker', () => {
  it('carries both ways, can be cut, refuses while it is, and can be joined again', async () => {
    const line = await startTcpLine(`amqp://guest:geheim@127.0.0.1:${await echo()}/%2Fvhost?heartbeat=5`);
    if (line === undefined) throw new Error('there is no line');
    onTestFinished(() => line.close());
    expect(line.url).toMatch(/^amqp:\/\/guest:geheim@127\.0\.0\.1:\d+\/%2Fvhost\?heartbeat=5$/);

    const first = await dial(line.url);
    first.write('hello');
    expect(await within('an echo', said(first))).toBe('hello');
    const firstClosed = closed(first);
    line.cut();
    await within('the connection is gone', firstClosed);
    await within('a new one is refused', closed(await dial(line.url)));

    line.join();
    const second = await dial(line.url);
    second.write('again');
    expect(await within('an echo', said(second))).toBe('again');
  });

  it('stands in for no broker whose certificate it lacks', async () => {
    expect(await startTcpLine('amqps://localhost:5671')).toBeUndefined();
  });
});
