/** Passing a callback on and its answer back: httpxy streams, and this file keeps the header lines as they are. */
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { createProxyServer } from 'httpxy';
import type { CallbackRecord } from './callback-record.js';
import type { Exchange } from './exchange.js';
import { createPairedConnections } from './paired-connections.js';
import { answerLines, pairs, requestLines, setLines } from './raw-headers.js';
import { targetAt, type Upstream } from './upstreams.js';

export interface Forwarder {
  /** Sends the request to the upstream, as `target`. */
  forward(exchange: Exchange, upstream: Upstream, target: string): void;
  /** Answers 502, once the caller has sent its body: the record should have it, too. */
  refuse(exchange: Exchange, failure: NonNullable<CallbackRecord['failure']>, error?: unknown): void;
}

interface Passage {
  readonly exchange: Exchange;
  readonly upstream: Upstream;
  readonly target: string;
  outgoing?: ClientRequest;
  /** The caller holds its body back until the upstream agrees. */
  holdsBody: boolean;
}

export function createForwarder({ rewriteHost }: { readonly rewriteHost: boolean }): Forwarder {
  const connections = createPairedConnections();
  const passages = new WeakMap<IncomingMessage, Passage>();
  const refused = new WeakSet<Exchange>();
  const proxy = createProxyServer();

  /** The connection is chosen, and nothing is sent yet; right after this httpxy begins to send the body. */
  proxy.on('proxyReq', (outgoing, request, response) => {
    const passage = passages.get(request);
    if (passage === undefined) return;
    const { exchange, upstream, target } = passage;
    passage.outgoing = outgoing;
    exchange.watchBody();
    exchange.watchConnection(outgoing);
    if (outgoing.socket !== null) connections.follow(request.socket, outgoing.socket);
    try {
      setLines(outgoing, requestLines(request.rawHeaders, isHttp10(request)));
      if (rewriteHost) outgoing.setHeader('Host', upstream.url.host);
      outgoing.path = targetAt(upstream, target);
      request.once('end', () => passTrailers(request, outgoing));
      if (!passage.holdsBody) return;
      outgoing.once('continue', () => {
        passage.holdsBody = false;
        response.writeContinue();
      });
      outgoing.flushHeaders();
    } catch (error) {
      outgoing.destroy(error instanceof Error ? error : undefined);
    }
  });

  proxy.on('proxyRes', (answer, request, response) => {
    passages.get(request)?.exchange.watchAnswer(answer);
    // Node adds each of these by itself unless it was removed.
    for (const name of ['connection', 'date', 'transfer-encoding']) response.removeHeader(name);
    try {
      const lines = answerLines(answer.rawHeaders, isHttp10(request));
      // httpxy leaves a head alone that is written already.
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, lines);
      answer.once('end', () => passTrailers(answer, response));
    } catch {
      response.destroy(); // a head that cannot be passed on: the caller must not take another for it
    }
  });

  proxy.on('error', (error, request) => fail(request, error));
  proxy.on('econnreset', (error, request) => fail(request, error));

  const fail = (request: IncomingMessage | undefined, error: Error) => {
    const passage = request && passages.get(request);
    if (passage === undefined) return;
    const { exchange, outgoing } = passage;
    // An answer that was cut short is ended by httpxy; a caller that went needs none.
    if (exchange.hasAnswer || exchange.response.destroyed) return;
    if (exchange.connected && outgoing?.reusedSocket === true) {
      // The upstream gave up a connection that it had kept. Callers know that, and some try again; a 502 they would not.
      exchange.fail('cut', error);
      exchange.request.socket.destroy();
      return;
    }
    refuse(exchange, exchange.connected ? 'cut' : 'unreachable', error, passage.holdsBody);
  };

  const refuse = (
    exchange: Exchange,
    failure: NonNullable<CallbackRecord['failure']>,
    error: unknown,
    holdsBody: boolean,
  ) => {
    exchange.fail(failure, error);
    if (refused.has(exchange)) return;
    refused.add(exchange);
    const { request, response } = exchange;
    const answer = () => {
      if (response.headersSent || response.destroyed) return;
      const text = REFUSALS[failure];
      response.writeHead(502, {
        'Content-Type': 'text/plain; charset=utf-8',
        'Content-Length': Buffer.byteLength(text),
        Connection: 'close', // it has no other half
      });
      response.end(text);
    };
    if (request.readableEnded || holdsBody) return answer();
    exchange.watchBody();
    request.once('end', answer);
    request.resume();
  };

  return {
    forward(exchange, upstream, target) {
      const { request, response } = exchange;
      const caller = request.socket;
      if (caller.writableEnded) {
        // Its connection was ended together with the upstream's: it gets no answer, so the upstream must not act.
        exchange.fail('cut');
        caller.destroy();
        return;
      }
      connections.began(caller);
      response.once('close', () => connections.ended(caller));
      passages.set(request, { exchange, upstream, target, holdsBody: request.headers.expect !== undefined });
      delete request.headers.expect; // with it httpxy sends the head before it can be set
      proxy
        .web(request, response, {
          target: connectTo(upstream),
          agent: connections.agentFor(caller, upstream),
        })
        .catch(() => {}); // the response failed: its close is what counts
    },
    refuse: (exchange, failure, error) =>
      refuse(exchange, failure, error, exchange.request.headers.expect !== undefined),
  };
}

const REFUSALS = {
  unreachable: 'Bad gateway: the upstream cannot be reached.\n',
  cut: 'Bad gateway: the upstream closed the connection without an answer.\n',
  'no-upstream': 'Bad gateway: no upstream is configured for this path.\n',
  'client-gone': '',
  stopped: '',
};

/** node:http wants an IPv6 address without its brackets. */
function connectTo({ url: { protocol, hostname, port } }: Upstream) {
  return { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), ...(port !== '' && { port }) };
}

function isHttp10(request: IncomingMessage): boolean {
  return request.httpVersionMajor === 1 && request.httpVersionMinor === 0;
}

function passTrailers(from: IncomingMessage, to: ClientRequest | ServerResponse): void {
  if (from.rawTrailers.length === 0) return;
  try {
    to.addTrailers(pairs(from.rawTrailers));
  } catch {
    to.destroy(); // half of what was sent is not what was sent
  }
}
