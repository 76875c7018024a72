/** What really answers on a port that is not AMQP: asked only to explain a failure. */
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { AmqpAddress } from './address.js';

const PROBE_TIMEOUT_MS = 1_000;

const SPEAKS_TLS = 'The port speaks TLS: use amqps://';

/** One sentence about the foreign protocol, or undefined when nothing tells, or once `signal` is aborted. */
export async function explainPort(address: AmqpAddress, signal: AbortSignal): Promise<string | undefined> {
  if (signal.aborted) return undefined;
  // Of this probe alone: a socket never takes its listeners off its signal, and `signal` outlives many probes.
  const probe = new AbortController();
  const giveUp = () => probe.abort(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    const answer = await answerTo(address, probe.signal);
    if (answer !== undefined) return explain(answer);
    // A TLS server's alert is lost where it resets the connection at once; asked in its own language it answers.
    return (await answersTls(address, probe.signal)) ? SPEAKS_TLS : undefined;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

/** The first bytes that come back for AMQP's protocol header. */
function answerTo({ host, port }: AmqpAddress, signal: AbortSignal): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host, signal }, () => {
      socket.write(Buffer.from('AMQP\x00\x00\x09\x01', 'latin1'));
    });
    const done = (answer?: Buffer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => done());
    socket.once('error', () => done());
    socket.once('close', () => done());
    socket.once('data', done);
  });
}

function answersTls({ host, port }: AmqpAddress, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    // Whether its certificate is any good is not the question; nothing is sent but the greeting.
    const socket = connectTls({ socket: connect({ port, host, signal }), rejectUnauthorized: false });
    const done = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => done(false));
    // An alert is an answer in TLS, too: it may want a client certificate.
    socket.once('error', (error: NodeJS.ErrnoException) => done(/^ERR_SSL_\w*ALERT/.test(error.code ?? '')));
    socket.once('close', () => done(false));
    socket.once('secureConnect', () => done(true));
  });
}

function explain(answer: Buffer): string | undefined {
  const start = answer.toString('latin1', 0, 8);
  if (start.startsWith('HTTP/')) return 'An HTTP server answers there, not an AMQP broker';
  if (answer[0] === 0x15 && answer[1] === 0x03) return SPEAKS_TLS;
  if (start.startsWith('AMQP')) return 'The server there speaks another version of AMQP than 0-9-1';
  // A method frame: AMQP after all, and its failure is another one.
  if (answer[0] === 1) return undefined;
  return `Something else than an AMQP broker answers there (${JSON.stringify(start)})`;
}
