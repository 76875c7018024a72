/** Ports for a private broker, and waiting for them by condition. */
import { connect, createServer } from 'node:net';

export interface Ports {
  readonly amqp: number;
  readonly management: number;
  readonly tls: number;
  readonly dist: number;
  readonly epmd: number;
  readonly stream: number;
}

export async function until(
  condition: () => Promise<boolean>,
  deadline: number,
  what: string,
): Promise<void> {
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** True once the broker answers the protocol header with a method frame (connection.start). */
export function answersAmqp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(Buffer.from('AMQP\x00\x00\x09\x01', 'latin1')),
    );
    const answer = (yes: boolean) => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('data', (data: Buffer) => answer(data[0] === 1));
    socket.once('error', () => answer(false));
    socket.once('close', () => resolve(false));
    socket.setTimeout(5_000, () => answer(false));
  });
}

export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1' }, () => probe.close(() => resolve(true)));
  });
}

export async function portsFree(ports: readonly number[]): Promise<void> {
  // A virtual machine that was killed in the middle of its writes ends when the disk is done with them.
  const deadline = Date.now() + 30_000;
  for (const port of ports)
    await until(() => isFree(port), deadline, `port ${port} of the killed RabbitMQ free`);
}

/** Ports below the ephemeral range, so that no outgoing connection takes one between choice and use. */
export async function choosePorts(amqp: number | undefined): Promise<Ports> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const base = amqp ?? 12_000 + Math.floor(Math.random() * 1_000) * 6;
    const side = amqp === undefined ? base : 12_000 + Math.floor(Math.random() * 1_000) * 6;
    const ports: Ports = {
      amqp: base,
      management: base + 10_000,
      tls: side + 1,
      dist: side + 2,
      epmd: side + 3,
      stream: side + 4,
    };
    const free = await Promise.all(Object.values(ports).map((port: number) => isFree(port)));
    if (free.every(Boolean)) return ports;
  }
  throw new Error('no free ports for RabbitMQ');
}
