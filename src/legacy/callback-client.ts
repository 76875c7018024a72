/**
 * Sends callbacks to services, as resiliently as HTTP allows: timeouts of each kind, retries after 5xx, network errors and
 * timeouts and never after 4xx, one circuit and one bound on requests in flight per service, a request id, a service key
 * or a service token. Options, and what happens when, are in docs/callbacks.md.
 */
import { randomUUID } from 'node:crypto';
import { countingTimer } from '../core/consuming/timer.js';
import { EventsError, messageOf } from '../core/errors.js';
import { lineForPeople } from '../core/safe-text.js';
import { createLine } from './callback-client-attempt.js';
import { createServiceCircuit } from './callback-client-circuit.js';
import { checkedHeaders } from './callback-client-headers.js';
import { type CallbackClientOptions, readServices, type ServiceSettings } from './callback-client-options.js';
import { type CallbackAnswer, type ServiceLine, sendCallback } from './callback-client-sending.js';
import { createSlots } from './callback-client-slots.js';
import { createStop, onAbort, type StopSwitch } from './callback-client-stop.js';

export interface OutgoingCallback {
  /** One of the client's services. */
  readonly service: string;
  readonly method: 'POST' | 'PUT' | 'PATCH';
  /** Below the service's URL; begins with `/`, and is sent as it is: what is data in it has to be encoded. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body: unknown;
  /** Beside the client's own, and over them. `x-request-id` is kept when it is there. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface CallbackClient {
  /**
   * Resolves once the service has answered 2xx. Rejects with a `CallbackError`: `callback-refused` (3xx and 4xx),
   * `unreachable` (5xx, no connection or a lost one, after the last retry; an open circuit), `timeout`, `interrupted` (by
   * `signal`), `closed`; with `usage` for what could never be sent. A request that timed out or lost its connection may
   * have been applied, and is sent again: give it an idempotency key that its receiver knows.
   */
  send(callback: OutgoingCallback): Promise<CallbackAnswer>;
  /**
   * Takes no more, waits for what is being sent, `deadlineMs` at most (default 10,000), and closes the connections. What is
   * still being sent then rejects with `closed`. Idempotent.
   */
  close(options?: { readonly deadlineMs?: number }): Promise<void>;
}

/** Throws `usage` on options out of their range. Nothing is loaded or connected before the first send. */
export function createCallbackClient(options: CallbackClientOptions): CallbackClient {
  const services = readServices(options);
  const { now = Date.now, random = Math.random, newRequestId = randomUUID } = options;
  const setTimer = options.setTimer ?? countingTimer;
  const sending = new Map<StopSwitch, Promise<unknown>>();
  const lines = new Map<string, ServiceLine>();
  let closing: Promise<void> | undefined;

  /** axios takes 60 ms to load and the circuit's library 20: programs that send nothing must not wait for them. */
  async function lineTo(settings: ServiceSettings): Promise<ServiceLine> {
    const [{ Axios }, { createCircuit }] = await Promise.all([
      import('axios'),
      import('../core/consuming/circuit.js'),
    ]);
    const { name, circuit, maxInFlight } = settings;
    const { setTimer: circuitTimer, onCircuit } = options;
    const found = lines.get(name) ?? {
      settings,
      line: createLine(Axios, settings, setTimer),
      circuit: createServiceCircuit(createCircuit, circuit, {
        service: name,
        now,
        setTimer: circuitTimer,
        onCircuit,
      }),
      slots: createSlots(maxInFlight),
    };
    lines.set(name, found);
    return found;
  }

  async function send(callback: OutgoingCallback, stop: StopSwitch): Promise<CallbackAnswer> {
    const startedAt = now();
    if (closing !== undefined) throw new EventsError('closed', 'The callback client is closed');
    const settings = services.get(callback.service);
    if (settings === undefined) throw unknownService(callback.service, [...services.keys()]);
    const request = requestOf(callback, settings.headers, newRequestId);
    const cancelTimer = setTimer(() => stop.stop('late'), settings.timeouts.totalMs);
    const forget = onAbort(callback.signal, () => stop.stop('aborted'));
    try {
      const service = lines.get(settings.name) ?? (await lineTo(settings));
      return await sendCallback(service, request, startedAt, stop, { now, random, setTimer });
    } finally {
      cancelTimer();
      forget();
    }
  }

  async function closeNow(deadlineMs: number): Promise<void> {
    const cancelTimer = setTimer(() => {
      for (const stop of sending.keys()) stop.stop('closed');
    }, deadlineMs);
    await Promise.allSettled(sending.values());
    cancelTimer();
    for (const { line, circuit } of lines.values()) {
      circuit.close();
      line.close();
    }
  }

  return {
    async send(callback) {
      const stop = createStop();
      const sent = send(callback, stop);
      sending.set(stop, sent);
      try {
        return await sent;
      } finally {
        sending.delete(stop);
      }
    },
    close({ deadlineMs = 10_000 } = {}) {
      closing ??= closeNow(deadlineMs);
      return closing;
    },
  };
}

function requestOf(
  { method, path, body, headers = {} }: OutgoingCallback,
  common: Readonly<Record<string, string>>,
  newRequestId: () => string,
) {
  checkPath(path);
  const given: Record<string, string> = { ...common, ...checkedHeaders(headers) };
  const requestId = given['x-request-id'] ?? newRequestId();
  const own = {
    'content-type': 'application/json',
    accept: 'application/json',
    'user-agent': 'atma-events',
    ...given,
    'x-request-id': requestId,
  };
  return { method, path, body: jsonOf(body), headers: own, requestId };
}

/** Nothing that a URL would drop or rewrite: line feeds, spaces, a fragment, and `..`, which leads out of the service's path. */
function checkPath(path: string): void {
  if (!path.startsWith('/')) {
    throw new EventsError('usage', `callbacks: the path must begin with "/", got ${JSON.stringify(path)}`);
  }
  const whole = `http://localhost${path}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (url !== undefined && url.pathname + url.search === path) return;
  throw new EventsError('usage', `callbacks: the path ${JSON.stringify(path)} cannot be sent as it is`, {
    hint: 'It holds no spaces, control characters, "#" or ".." segments; encode what is data with encodeURIComponent.',
  });
}

function jsonOf(body: unknown): string | undefined {
  try {
    return JSON.stringify(body);
  } catch (error) {
    throw new EventsError('usage', `callbacks: the body is not JSON: ${lineForPeople(messageOf(error))}`);
  }
}

function unknownService(service: string, known: readonly string[]): EventsError {
  return new EventsError('usage', `callbacks: no service is called ${JSON.stringify(service)}`, {
    hint: known.length === 0 ? 'The client has none.' : `It has: ${known.join(', ')}.`,
  });
}
