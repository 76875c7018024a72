/** One send from its first request to its end: slots, circuit, credentials, attempts and the pauses between them. */
import type { SetTimer } from '../core/consuming/timer.js';
import { type AttemptRequest, codeOf, type Line } from './callback-client-attempt.js';
import { authHeaders, canRenew } from './callback-client-auth.js';
import type { Pass, ServiceCircuit } from './callback-client-circuit.js';
import { decideNext, type Outcome } from './callback-client-decision.js';
import { describeOutcome, failureOf, leftAlone, type SendState, stoppedBy } from './callback-client-error.js';
import type { ServiceSettings } from './callback-client-options.js';
import type { Slots } from './callback-client-slots.js';
import { pause, type Stop } from './callback-client-stop.js';

/** A service while the client runs. */
export interface ServiceLine {
  readonly settings: ServiceSettings;
  readonly line: Line;
  readonly circuit: ServiceCircuit;
  readonly slots: Slots;
}

export interface SendDeps {
  readonly now: () => number;
  readonly random: () => number;
  readonly setTimer: SetTimer;
}

export interface CallbackAnswer {
  /** 200 to 299. */
  readonly status: number;
  /** Requests that were made, from 1. */
  readonly attempts: number;
  /** Milliseconds from the call of `send`. */
  readonly tookMs: number;
  readonly requestId: string;
}

/** Rejects with a `CallbackError`. */
export async function sendCallback(
  { settings, line, circuit, slots }: ServiceLine,
  request: AttemptRequest & { readonly requestId: string },
  startedAt: number,
  stop: Stop,
  { now, random, setTimer }: SendDeps,
): Promise<CallbackAnswer> {
  const { auth, timeouts, retry, name: service } = settings;
  const endsAt = startedAt + timeouts.totalMs;
  let attempts = 0;
  let failures = 0;
  let renewed = false;
  let renew = false;
  let replaced = false;
  let maybeApplied = false;
  let last: Outcome | undefined;

  const state = (): SendState => {
    const { method, path, requestId } = request;
    return { service, method, path, requestId, attempts, maybeApplied, last };
  };

  const attempt = async (pass: Pass): Promise<Outcome | undefined> => {
    const headers = await credentials();
    if (headers === undefined || 'kind' in headers) {
      pass.abandoned();
      return headers;
    }
    attempts++;
    const beganAt = now();
    let sent = false;
    const whole = { ...request, headers: { ...request.headers, ...headers.auth } };
    const outcome = await line.attempt(whole, stop, () => {
      sent = true;
    });
    if (sent && outcome?.kind !== 'answer') maybeApplied = true;
    report(pass, outcome, now() - beganAt);
    return outcome;
  };

  const credentials = async () => {
    const asked = authHeaders(auth, { service, renew }).then(
      (headers) => ({ auth: headers }),
      (error: unknown): Outcome => ({ kind: 'no-token', code: codeOf(error) }),
    );
    renew = false;
    return unlessStopped(asked, stop);
  };

  const report = (pass: Pass, outcome: Outcome | undefined, tookMs: number) => {
    if (outcome === undefined) {
      // Ended by the send's own time: it counts when the service had at least half of what it is given to answer.
      const hadTime = tookMs * 2 >= Math.min(timeouts.responseMs, timeouts.totalMs);
      if (stop.reason === 'late' && hadTime) pass.failed('no answer in time');
      else pass.abandoned();
    } else if (outcome.kind === 'answer' && outcome.status < 500) pass.succeeded();
    else if (outcome.kind === 'cut' && outcome.stale) pass.abandoned();
    else pass.failed(describeOutcome(outcome));
  };

  for (;;) {
    // Before it waits for its turn, and after: who is not let through need not wait, and much may happen meanwhile.
    if (!circuit.passable()) throw leftAlone(state());
    const leave = await slots.enter(stop);
    if (leave === undefined) throw stoppedBy(stop.reason ?? 'aborted', state(), timeouts);
    let outcome: Outcome | undefined;
    try {
      const pass = circuit.enter();
      if (pass === undefined) throw leftAlone(state());
      outcome = await attempt(pass);
    } finally {
      leave();
    }
    if (outcome === undefined) throw stoppedBy(stop.reason ?? 'aborted', state(), timeouts);
    last = outcome;
    const course = { failures, renewed, replaced, canRenew: canRenew(auth), leftMs: endsAt - now() };
    const next = decideNext(outcome, course, retry, random, now);
    switch (next.go) {
      case 'done': {
        const status = outcome.kind === 'answer' ? outcome.status : 0;
        return { status, attempts, tookMs: Math.max(0, now() - startedAt), requestId: request.requestId };
      }
      case 'refused':
      case 'give-up':
        throw failureOf(outcome, state(), timeouts);
      case 'renew':
        renewed = true;
        renew = true;
        break;
      case 'replace':
        replaced = true;
        break;
      case 'again':
        failures++;
        await pause(next.afterMs, stop, setTimer);
        if (stop.reason !== undefined) throw stoppedBy(stop.reason, state(), timeouts);
        break;
    }
  }
}

/** Undefined when it is stopped first; what it comes to is then dropped. */
function unlessStopped<T>(work: Promise<T>, stop: Stop): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const forget = stop.onStop(() => resolve(undefined));
    work.then(resolve, reject).finally(forget);
  });
}
