/** How callbacks are sent: options of the client, each of which a service may have of its own. */
import type { AgentOptions } from 'node:https';
import { type CircuitOptions, circuitDefaults } from '../core/consuming/circuit-options.js';
import type { SetTimer } from '../core/consuming/timer.js';
import { EventsError } from '../core/errors.js';
import { type CallbackAuth, checkAuth } from './callback-client-auth.js';
import { checkedHeaders } from './callback-client-headers.js';
import { plainHttpUrl } from './upstreams.js';

/** Milliseconds, each above 0. */
export interface CallbackTimeouts {
  /** Until there is a connection: name lookup, TCP and TLS. Default 2,000. */
  readonly connectMs?: number;
  /** From there until the answer is read. Default 10,000. */
  readonly responseMs?: number;
  /** For the whole send: waiting its turn, every attempt and the pauses between them. Default 30,000. */
  readonly totalMs?: number;
}

/** After 5xx, network errors and timeouts, never after 4xx. Pause n is random, up to `firstDelayMs` times 2^(n-1). */
export interface CallbackRetry {
  /** Attempts after the first, 0 to 100. Default 3. */
  readonly retries?: number;
  /** Milliseconds of the longest first pause, above 0. Default 200. */
  readonly firstDelayMs?: number;
  /** Milliseconds that no pause exceeds, from `firstDelayMs`. Default 5,000. A 503 may ask for more (Retry-After). */
  readonly maxDelayMs?: number;
}

export interface CallbackSettings {
  /** What the service knows its callers by. Default: nothing is sent. */
  readonly auth?: CallbackAuth;
  readonly timeouts?: CallbackTimeouts;
  /** `false`: one attempt. */
  readonly retry?: CallbackRetry | false;
  /** When a service that keeps failing is left alone, and for how long. `false`: never. */
  readonly circuit?: CircuitOptions | false;
  /** Requests in flight, and so connections, per service; more wait their turn. 1 to 10,000. Default 50. */
  readonly maxInFlight?: number;
  /** For `https:` services. Default: the authorities that Node knows, no certificate of our own. */
  readonly tls?: Pick<AgentOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'servername'>;
}

export interface CallbackService extends CallbackSettings {
  /** `http://HOST:PORT` or `https://…`, with a path where the service has one. */
  readonly url: string | URL;
}

export interface CallbackCircuitChange {
  readonly service: string;
  readonly state: 'closed' | 'open' | 'half-open';
  /** Milliseconds that the service is left alone; 0 unless open. */
  readonly pauseMs: number;
  /** The failure that opened it, without secrets. */
  readonly cause: string | undefined;
}

export interface CallbackClientOptions extends CallbackSettings {
  /** By the names that callbacks use: `{ notification: 'http://localhost:3005' }`. What a service sets counts for it. */
  readonly services: { readonly [name: string]: string | URL | CallbackService };
  /** Sent with every request, such as `x-service-name`. */
  readonly headers?: { readonly [name: string]: string };
  /** Told when a service is left alone, probed, and taken up again. */
  readonly onCircuit?: (change: CallbackCircuitChange) => void;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
  /** Default: timers that keep the process alive while something is being sent. */
  readonly setTimer?: SetTimer;
  /** From 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
  /** For sends that bring no `x-request-id`. Default: a random UUID. */
  readonly newRequestId?: () => string;
}

/** The settings of one service, with their defaults. */
export interface ServiceSettings {
  readonly name: string;
  readonly url: URL;
  readonly auth: CallbackAuth | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeouts: Required<CallbackTimeouts>;
  readonly retry: Required<CallbackRetry>;
  readonly circuit: CircuitOptions | false;
  readonly maxInFlight: number;
  readonly tls: NonNullable<CallbackSettings['tls']>;
}

/** setTimeout counts in 32 bits. */
const LONGEST_MS = 2 ** 31 - 1;

/** Every service with its settings. Throws `usage` on what is out of its range. */
export function readServices(options: CallbackClientOptions): Map<string, ServiceSettings> {
  const headers = checkedHeaders(options.headers ?? {});
  return new Map(
    Object.entries(options.services).map(([name, service]) => {
      const own: CallbackService =
        typeof service === 'string' || service instanceof URL ? { url: service } : service;
      return [name, { ...settingsOf({ ...options, ...own }), ...urlOf(name, own.url), headers }];
    }),
  );
}

const urlOf = (name: string, url: string | URL) => ({ name, url: plainHttpUrl(`service "${name}"`, url) });

function settingsOf(options: CallbackSettings): Omit<ServiceSettings, 'name' | 'url' | 'headers'> {
  const { auth, circuit = {}, maxInFlight = 50, tls = {} } = options;
  if (auth !== undefined) checkAuth(auth);
  if (circuit !== false) circuitDefaults(circuit);
  need(isWhole(maxInFlight, 1, 10_000), 'maxInFlight', 'a whole number from 1 to 10,000', maxInFlight);
  return {
    auth,
    timeouts: timeoutsOf(options.timeouts ?? {}),
    retry: retryOf(options.retry ?? {}),
    circuit,
    maxInFlight,
    tls,
  };
}

function timeoutsOf({ connectMs = 2_000, responseMs = 10_000, totalMs = 30_000 }: CallbackTimeouts) {
  const timeouts = { connectMs, responseMs, totalMs };
  for (const [name, value] of Object.entries(timeouts)) {
    need(value > 0 && value <= LONGEST_MS, `timeouts.${name}`, `above 0 and up to ${LONGEST_MS}`, value);
  }
  return timeouts;
}

function retryOf(retry: CallbackRetry | false): Required<CallbackRetry> {
  if (retry === false) return { retries: 0, firstDelayMs: 1, maxDelayMs: 1 };
  const { retries = 3, firstDelayMs = 200, maxDelayMs = Math.max(5_000, firstDelayMs) } = retry;
  need(isWhole(retries, 0, 100), 'retry.retries', 'a whole number from 0 to 100', retries);
  need(firstDelayMs > 0 && firstDelayMs <= LONGEST_MS, 'retry.firstDelayMs', 'above 0', firstDelayMs);
  need(
    maxDelayMs >= firstDelayMs && maxDelayMs <= LONGEST_MS,
    'retry.maxDelayMs',
    'at least firstDelayMs',
    maxDelayMs,
  );
  return { retries, firstDelayMs, maxDelayMs };
}

const isWhole = (value: number, least: number, most: number) =>
  Number.isSafeInteger(value) && value >= least && value <= most;

function need(holds: boolean, name: string, range: string, value: number): void {
  if (!holds) throw new EventsError('usage', `callbacks: ${name} must be ${range}, got ${value}`);
}
