/** What answers on a port, asked again and again while a broker is away. */
import { getEventListeners } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { parseAddress } from '../../../src/transports/amqp/address.js';
import { explainPort } from '../../../src/transports/amqp/probe.js';
import { eventually, within } from '../../await.js';

async function addressOf(onConnection: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}); // a reset is what the probe may do to it
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return parseAddress(`amqp://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

it.each([
  ['hangs up', (socket: Socket) => void socket.destroy(), undefined],
  ['speaks HTTP', (socket: Socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), /HTTP server/],
])('asked often, a server that %s leaves nothing listening to the signal', async (_what, answer, text) => {
  const address = await addressOf(answer);
  const { signal } = new AbortController();
  for (let probe = 0; probe < 12; probe++) {
    const explained = await explainPort(address, signal);
    if (text === undefined) expect(explained).toBeUndefined();
    else expect(explained).toMatch(text);
  }
  expect(listeners(signal)).toBe(0);
});

it('ends at once when it is called off', async () => {
  let connected = 0;
  const address = await addressOf(() => connected++);
  const controller = new AbortController();
  const probe = explainPort(address, controller.signal);
  await eventually('it asks', () => connected === 1);
  controller.abort();
  expect(await within('its end', probe, 500)).toBeUndefined();
  expect(await explainPort(address, controller.signal)).toBeUndefined();
  expect(connected).toBe(1);
});
