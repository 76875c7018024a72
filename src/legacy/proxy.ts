/**
 * The recording proxy: services point their `…_SERVICE_URL` at it. It passes callbacks and answers on as they are,
 * streaming, and hands a record of each to `onRecord` when it is over. Nothing that befalls a record touches a callback.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { EventsError, messageOf } from '../core/errors.js';
import { isoTime } from '../core/events/iso-time.js';
import { createCopyBudget } from './bounded-copy.js';
import { Exchange } from './exchange.js';
import { createForwarder } from './forwarding.js';
import { type CallbackGap, createRecordQueue, type RecordKeeper } from './record-queue.js';
import { type ChooseUpstream, originForm, readUpstreams } from './upstreams.js';

export interface RecordingProxyOptions extends RecordKeeper {
  /** Default host 127.0.0.1; port 0 takes a free one. */
  readonly listen: { readonly port: number; readonly host?: string };
  /** http or https URLs by name; a path in a URL goes before that of each callback. */
  readonly upstreams: Readonly<Record<string, string | URL>>;
  /** See `routeByPrefix`. What it does not know goes to the only upstream; where there are several, it is answered 502. */
  readonly route?: ChooseUpstream;
  /** `Host` names the upstream instead of what the caller sent (this proxy, usually). Default false. */
  readonly rewriteHost?: boolean;
  /** Bytes of a body that its record holds. Default 1 MiB. Longer ones pass whole, and are recorded as truncated. */
  readonly bodyLimit?: number;
  /** Bytes of all bodies in flight or waiting to be recorded. Default 64 MiB. */
  readonly memoryLimit?: number;
  /** Records that may wait for `onRecord`. Default 10,000. */
  readonly backlogLimit?: number;
  /** Header names that are redacted beside those of `SECRET_HEADERS`. */
  readonly secretHeaders?: readonly string[];
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
}

export interface RecordingProxy {
  /** Where it listens: `http://127.0.0.1:4010`. */
  readonly url: string;
  readonly port: number;
  /** Every callback that began before this time (ISO 8601) has been handed to `onRecord`, or is part of a gap. */
  watermark(): string;
  counts(): ProxyCounts;
  /**
   * Takes no more callbacks, lets those in flight end and their records be kept, each within `drainMs` (default
   * 10,000). What is still in flight then is cut off, and recorded so. Idempotent.
   */
  close(options?: { readonly drainMs?: number }): Promise<ProxyEnding>;
}

export interface ProxyCounts {
  /** Callbacks that came. */
  readonly callbacks: number;
  readonly inFlight: number;
  /** Over, and not yet handed to `onRecord`. */
  readonly waiting: number;
  /** Forwarded, but not recorded. */
  readonly lost: number;
}

export interface ProxyEnding extends ProxyCounts {
  /** Records lost that `onGap` could not be told of. */
  readonly untoldGap?: CallbackGap;
}

const DEFAULTS = { bodyLimit: 2 ** 20, memoryLimit: 2 ** 26, backlogLimit: 10_000, drainMs: 10_000 };

/** A burst of callbacks waits in the kernel, instead of losing its first packets (Node's default is 511). */
const LISTEN_BACKLOG = 4096;

/** Node's 16 KiB could refuse a callback that its receiver takes. */
const MAX_HEADER_BYTES = 2 ** 18;

/** Starts listening. Rejects with `usage` when the address is taken or an upstream's URL cannot be used. */
export async function startRecordingProxy(options: RecordingProxyOptions): Promise<RecordingProxy> {
  const { now = Date.now, bodyLimit = DEFAULTS.bodyLimit, secretHeaders = [] } = options;
  const upstreams = readUpstreams(options.upstreams);
  const only = upstreams.size === 1 ? [...upstreams.keys()][0] : undefined;
  const budget = createCopyBudget(options.memoryLimit ?? DEFAULTS.memoryLimit);
  const queue = createRecordQueue(options, options.backlogLimit ?? DEFAULTS.backlogLimit);
  const forwarder = createForwarder({ rewriteHost: options.rewriteHost ?? false });
  /** In the order in which they began. */
  const inFlight = new Set<Exchange>();
  const callers = new Set<Socket>();
  let becameEmpty = () => {};
  let callbacks = 0;
  let ending: Promise<ProxyEnding> | undefined;

  const handle = (request: IncomingMessage, response: ServerResponse) => {
    callbacks++;
    const exchange = new Exchange(request, response, { now, bodyLimit, budget, secretHeaders });
    inFlight.add(exchange);
    exchange.whenOver((record) => {
      inFlight.delete(exchange);
      queue.push(record);
      if (inFlight.size === 0) becameEmpty();
    });
    response.once('close', () => {
      if (ending !== undefined) setImmediate(() => server.closeIdleConnections());
    });
    const target = originForm(request.url ?? '/');
    const name = options.route?.(target) ?? only;
    const upstream = name === undefined ? undefined : upstreams.get(name);
    if (upstream === undefined) return forwarder.refuse(exchange, 'no-upstream');
    exchange.upstream = upstream.name;
    forwarder.forward(exchange, upstream, target);
  };

  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: 0, keepAliveTimeout: 0 });
  server.on('request', handle);
  server.on('checkContinue', handle);
  server.on('checkExpectation', handle);
  server.on('connection', (caller: Socket) => {
    callers.add(caller);
    caller.once('close', () => callers.delete(caller));
  });
  const { port, host } = await listen(server, options.listen);
  // An error of a listening server (no file descriptors left, say) must not end the process: it goes on by itself.
  server.on('error', () => {});

  const counts = (): ProxyCounts => ({
    callbacks,
    inFlight: inFlight.size,
    waiting: queue.waiting,
    lost: queue.lost,
  });
  const drain = async (drainMs: number): Promise<ProxyEnding> => {
    const closed = new Promise((resolve) => server.close(resolve));
    // Node closes idle connections here, but waits for those that have never been used.
    for (const caller of callers) if (caller.bytesRead === 0) caller.destroy();
    const cutOff = setTimeout(() => {
      for (const exchange of inFlight) exchange.fail('stopped');
      server.closeAllConnections();
    }, drainMs);
    await closed;
    clearTimeout(cutOff);
    // The server counts connections, and their exchanges end a moment later.
    await new Promise<void>((resolve) => {
      becameEmpty = resolve;
      if (inFlight.size === 0) resolve();
    });
    const untoldGap = await queue.close(drainMs);
    return { ...counts(), ...(untoldGap !== undefined && { untoldGap }) };
  };

  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    watermark() {
      const [first] = inFlight;
      const times = [first?.at, queue.oldest()].filter((time) => time !== undefined);
      return times.toSorted()[0] ?? isoTime(now());
    },
    counts,
    close({ drainMs = DEFAULTS.drainMs } = {}) {
      ending ??= drain(drainMs);
      return ending;
    },
  };
}

async function listen(
  server: ReturnType<typeof createServer>,
  { host = '127.0.0.1', port }: RecordingProxyOptions['listen'],
): Promise<{ readonly host: string; readonly port: number }> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new EventsError('usage', `Cannot listen on ${host}, port ${port}: ${messageOf(error)}`, {
          cause: error,
          hint: 'Choose another port, or stop what listens there. 0 takes any free port.',
        }),
      ),
    );
    server.listen({ host, port, backlog: LISTEN_BACKLOG }, resolve);
  });
  server.removeAllListeners('error');
  const address = server.address() as AddressInfo; // a TCP server that listens has one
  return { host, port: address.port };
}
