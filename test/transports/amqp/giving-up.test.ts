/** Closing while an attempt to connect is under way. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually, within } from '../../await.js';
import { rabbitInstalled, sharedRabbit } from '../../brokers/shared.js';
import { startProgram } from '../contract/program.js';
import { open, openThroughProxy } from './stage.js';

interface BlackHole {
  readonly port: number;
  readonly connections: ReadonlySet<Socket>;
}

/** Accepts connections, and never says a word. */
async function startBlackHole(): Promise<BlackHole> {
  const connections = new Set<Socket>();
  const listener = createServer((socket) => {
    connections.add(socket);
    socket.on('error', () => {}); // a reset is as good an end as any
    socket.on('close', () => connections.delete(socket));
    socket.resume();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of connections) socket.destroy();
    listener.close();
  });
  return { port: (listener.address() as AddressInfo).port, connections };
}

describe('closing while connecting to a host that accepts and says nothing', () => {
  it.each(['amqp', 'amqps'])('ends the attempt over %s at once', async (scheme) => {
    const hole = await startBlackHole();
    const { transport } = open(`${scheme}://127.0.0.1:${hole.port}`, { startTimeoutMs: 60_000 });
    const opening = transport.open().then(
      () => 'opened',
      (error: { code?: string }) => error.code,
    );
    await eventually('it is connected', () => hole.connections.size === 1);
    await within('closing', transport.close(), 200);
    expect(await within('the refusal', opening, 200)).toBe('closed');
    await eventually('its socket is gone', () => hole.connections.size === 0, { withinMs: 1_000 });
  });

  it('lets the process end', async () => {
    const { port } = await startBlackHole();
    const program = startProgram('close-while-connecting.mjs', [`amqp://127.0.0.1:${port}`]);
    onTestFinished(() => program.kill());
    await program.printed('closed');
    expect(await within('its end', program.ended, 1_000)).toBe(0);
  });

  it.skipIf(!rabbitInstalled)('ends an attempt to reconnect as well', async () => {
    const broker = await sharedRabbit();
    const { transport, proxy, notices } = await openThroughProxy(broker.url);
    await transport.open();
    proxy.stallServerToClient();
    proxy.cut();
    await eventually('it is lost', () => notices.some(({ kind }) => kind === 'lost'));
    await eventually('it is connecting again', () => proxy.connections() === 1);
    await within('closing', transport.close(), 200);
    await eventually('its socket is gone', () => proxy.connections() === 0, { withinMs: 1_000 });
  });
});
