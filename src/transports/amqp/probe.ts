/** What really answers on a port that is not AMQP: asked only to explain a failure. */
import { connect } from 'node:net';
import type { AmqpAddress } from './address.js';

const PROBE_TIMEOUT_MS = 1_000;

/** One sentence about the foreign protocol, or undefined when nothing tells, or once `signal` is aborted. */
export function explainPort(address: AmqpAddress, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port: address.port, host: address.host, signal }, () => {
      socket.write(Buffer.from('AMQP\x00\x00\x09\x01', 'latin1'));
    });
    const done = (why: string | undefined) => {
      socket.destroy();
      resolve(why);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => done(undefined));
    socket.once('error', () => done(undefined));
    socket.once('close', () => resolve(undefined));
    socket.once('data', (data: Buffer) => done(explain(data)));
  });
}

function explain(answer: Buffer): string | undefined {
  const start = answer.toString('latin1', 0, 8);
  if (start.startsWith('HTTP/')) return 'An HTTP server answers there, not an AMQP broker';
  if (answer[0] === 0x15 && answer[1] === 0x03) return 'The port speaks TLS: use amqps://';
  if (start.startsWith('AMQP')) return 'The server there speaks another version of AMQP than 0-9-1';
  // A method frame: AMQP after all, and its failure is another one.
  if (answer[0] === 1) return undefined;
  return `Something else than an AMQP broker answers there (${JSON.stringify(start)})`;
}
