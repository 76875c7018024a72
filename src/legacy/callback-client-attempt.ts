/** One HTTP request and its answer, by axios. It never rejects: what went wrong is an outcome, and nothing else of it leaves. */
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as viaHttp } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions, request as viaHttps } from 'node:https';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Axios, AxiosResponse } from 'axios';
import type { SetTimer } from '../core/consuming/timer.js';
import type { Outcome } from './callback-client-decision.js';
import { secretsIn, shownAnswer } from './callback-client-headers.js';
import type { ServiceSettings } from './callback-client-options.js';
import type { Stop } from './callback-client-stop.js';

export interface AttemptRequest {
  readonly method: string;
  /** Below the service's URL. */
  readonly path: string;
  /** Of JSON; undefined for none. */
  readonly body: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Line {
  /** Undefined: it was stopped. `sent` is called once the request goes out on a connection. */
  attempt(request: AttemptRequest, stop: Stop, sent: () => void): Promise<Outcome | undefined>;
  /** Closes the kept connections. */
  close(): void;
}

/** Bytes of an answer that are read: only a refusal's first words are of use. */
const MOST_ANSWER_BYTES = 64 * 1024;

/** Milliseconds that an idle connection is kept. A service that says less in its Keep-Alive header gets less. */
const KEPT_MS = 30_000;

/** Connections to one service. `AxiosClass` is given because loading axios takes 60 ms. */
export function createLine(AxiosClass: typeof Axios, settings: ServiceSettings, setTimer: SetTimer): Line {
  const { url, timeouts, maxInFlight, tls } = settings;
  const secure = url.protocol === 'https:';
  // As many as there are requests, so that none waits for a connection behind the back of the slots.
  const pool = { keepAlive: true, maxSockets: maxInFlight, maxFreeSockets: maxInFlight, timeout: KEPT_MS };
  const agent = secure ? new HttpsAgent({ ...pool, ...tls }) : new HttpAgent(pool);
  // An instance of its own class: what the application sets on axios itself (a base URL, interceptors) is not for callbacks.
  const axios = new AxiosClass({
    adapter: 'http',
    ...(secure ? { httpsAgent: agent } : { httpAgent: agent }),
    proxy: false,
    maxRedirects: 0,
    decompress: false,
    responseType: 'stream',
    validateStatus: () => true,
  });
  const base = `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
  const connected = new WeakSet<Socket>();

  /** Tells when the request has its connection, new or kept. */
  const follow = (request: ClientRequest, ready: () => void) =>
    request.once('socket', (socket) => {
      if (request.reusedSocket || connected.has(socket)) return ready();
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        connected.add(socket);
        ready();
      });
    });

  return {
    async attempt({ method, path, body, headers }, stop, sent) {
      const end = new AbortController();
      let late: 'connect' | 'response' | undefined;
      const limit = (phase: 'connect' | 'response', ms: number) =>
        setTimer(() => {
          late = phase;
          end.abort();
        }, ms);
      let cancelTimer = limit('connect', timeouts.connectMs);
      let outgoing: ClientRequest | undefined;
      let wasSent = false;
      const transport = {
        request(options: RequestOptions, onAnswer: (answer: IncomingMessage) => void): ClientRequest {
          outgoing = secure ? viaHttps(options, onAnswer) : viaHttp(options, onAnswer);
          follow(outgoing, () => {
            wasSent = true;
            cancelTimer();
            if (end.signal.aborted) return;
            cancelTimer = limit('response', timeouts.responseMs);
            sent();
          });
          return outgoing;
        },
      };
      const forget = stop.onStop(() => end.abort());
      try {
        const answer: AxiosResponse<Readable> = await axios.request({
          url: base + path,
          method,
          data: body,
          headers: { ...headers, 'accept-encoding': 'identity' },
          transport,
          signal: end.signal,
        });
        const { text, whole } = await readStart(answer.data);
        const { status } = answer;
        // The service has answered, be the rest of it late or lost: the status line is all that counts.
        return {
          kind: 'answer',
          status,
          retryAfter: textOf(answer.headers['retry-after']),
          text: status < 300 ? '' : shownAnswer(text, whole, secretsIn(headers)),
        };
      } catch (error) {
        // Not passed on: axios's errors hold the request with its secrets, node's parser errors bytes of the answer.
        if (late !== undefined) return { kind: 'late', phase: late };
        if (stop.reason !== undefined) return undefined;
        const code = codeOf(error);
        const stale = outgoing?.reusedSocket === true && (code === 'ECONNRESET' || code === 'EPIPE');
        return { kind: 'cut', code, sent: wasSent, stale };
      } finally {
        cancelTimer();
        forget();
      }
    },
    close: () => agent.destroy(),
  };
}

async function readStart(body: Readable): Promise<{ readonly text: string; readonly whole: boolean }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let whole = true;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      whole = bytes <= MOST_ANSWER_BYTES;
      if (!whole) break; // ends the connection, too
    }
  } catch {
    whole = false; // cut off or too late: what there is of it is enough
  }
  return { text: Buffer.concat(chunks).subarray(0, MOST_ANSWER_BYTES).toString('utf8'), whole };
}

const textOf = (header: unknown): string | undefined => (typeof header === 'string' ? header : undefined);

/** The code of a system or protocol error, such as ECONNREFUSED: all of it that is told. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? code : 'no known reason';
}
