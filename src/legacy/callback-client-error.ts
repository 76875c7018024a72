/** Why a callback was not delivered, without anything secret: no headers, no request, no error of a library. */
import { type ErrorCode, EventsError } from '../core/errors.js';
import { lineForPeople } from '../core/safe-text.js';
import type { Outcome } from './callback-client-decision.js';
import type { StopReason } from './callback-client-stop.js';

/** How far a send had come. */
export interface SendState {
  readonly service: string;
  readonly method: string;
  readonly path: string;
  readonly requestId: string;
  /** Requests that were made. */
  readonly attempts: number;
  /** A request went out whose answer never came: the service may have done what it says. */
  readonly maybeApplied: boolean;
  /** What the last request came to. */
  readonly last: Outcome | undefined;
}

/** An `EventsError` that tells how far the send had come. */
export class CallbackError extends EventsError {
  readonly service: string;
  /** Of the last answer; null when the last request got none, or none was made. */
  readonly status: number | null;
  /** Requests that were made; 0 when the service was not called at all. */
  readonly attempts: number;
  readonly requestId: string;
  /** A request went out whose answer never came: the service may have applied it. */
  readonly maybeApplied: boolean;

  constructor(code: ErrorCode, message: string, hint: string, state: SendState) {
    super(code, message, { hint: state.maybeApplied ? `${hint} ${MAYBE_APPLIED}` : hint });
    this.service = state.service;
    this.status = state.last?.kind === 'answer' ? state.last.status : null;
    this.attempts = state.attempts;
    this.requestId = state.requestId;
    this.maybeApplied = state.maybeApplied;
  }
}

const MAYBE_APPLIED =
  'It may have been applied all the same: sending it again does no harm where the receiver keeps idempotency keys.';

export interface Limits {
  readonly connectMs: number;
  readonly responseMs: number;
  readonly totalMs: number;
}

/** The error for the outcome that a send ended with. */
export function failureOf(outcome: Outcome, state: SendState, limits: Limits): CallbackError {
  const { service } = state;
  const what = `${callOf(state)} of service "${service}"`;
  const tries = `${state.attempts} attempt${state.attempts === 1 ? '' : 's'}`;
  switch (outcome.kind) {
    case 'answer': {
      const { status } = outcome;
      const words = outcome.text === '' ? '' : `: ${outcome.text}`;
      return status < 500
        ? new CallbackError(
            'callback-refused',
            `${what} was refused with ${status}${words}`,
            hintOf(status),
            state,
          )
        : new CallbackError('unreachable', `${what} failed with ${status} (${tries})${words}`, DOWN, state);
    }
    case 'late':
      return outcome.phase === 'connect'
        ? new CallbackError(
            'timeout',
            `${what}: no connection within ${limits.connectMs} ms (${tries})`,
            DOWN,
            state,
          )
        : new CallbackError(
            'timeout',
            `${what}: no answer within ${limits.responseMs} ms (${tries})`,
            DOWN,
            state,
          );
    case 'cut': {
      const how = outcome.sent ? 'the connection was lost before an answer' : 'no connection';
      return new CallbackError('unreachable', `${what}: ${how}, ${outcome.code} (${tries})`, DOWN, state);
    }
    case 'no-token':
      return new CallbackError(
        'unreachable',
        `${what}: no service token, ${outcome.code} (${tries})`,
        NO_TOKEN,
        state,
      );
  }
}

/** The error for a service that is left alone. */
export function leftAlone(state: SendState): CallbackError {
  const after = state.last === undefined ? '' : ` after ${describeOutcome(state.last)}`;
  const message = `${callOf(state)} of service "${state.service}" was not sent${after}: its circuit is open`;
  return new CallbackError(
    'unreachable',
    message,
    'Its last requests failed; it is tried again by itself.',
    state,
  );
}

/** The error for a send that was ended from outside. */
export function stoppedBy(reason: StopReason, state: SendState, limits: Limits): CallbackError {
  const what = `${callOf(state)} of service "${state.service}"`;
  const last = state.last === undefined ? '' : `, the last: ${describeOutcome(state.last)}`;
  const tries = `${state.attempts} attempt${state.attempts === 1 ? '' : 's'}${last}`;
  switch (reason) {
    case 'late':
      return new CallbackError(
        'timeout',
        `${what}: not done within ${limits.totalMs} ms (${tries})`,
        SLOW,
        state,
      );
    case 'aborted':
      return new CallbackError(
        'interrupted',
        `${what} was given up by its caller (${tries})`,
        STOPPED,
        state,
      );
    case 'closed':
      return new CallbackError(
        'closed',
        `${what} was given up: the client is closing (${tries})`,
        STOPPED,
        state,
      );
  }
}

/** An outcome in a few words. */
export function describeOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'answer':
      return `status ${outcome.status}`;
    case 'late':
      return outcome.phase === 'connect' ? 'no connection in time' : 'no answer in time';
    case 'cut':
      return outcome.code;
    case 'no-token':
      return 'no service token';
  }
}

const DOWN = 'Check that the service runs and that its URL is right.';
const SLOW = 'The service is slow, or more is sent than it can take; see timeouts.totalMs and maxInFlight.';
const STOPPED = 'Send it again.';
const NO_TOKEN = 'Check the function that gives the tokens.';

function hintOf(status: number): string {
  if (status < 400) return 'Redirects are not followed: give the client the URL that the service has now.';
  if (status === 401 || status === 403) return 'Check the service key, or the service token.';
  if (status === 404) return 'Check the URL of the service and the path of the callback.';
  if (status === 429) return 'The service asks for fewer requests: lower maxInFlight.';
  return 'It is not sent again by itself: the service would refuse the same body again.';
}

/** Without the query, which may hold anything. */
const callOf = ({ method, path }: SendState) => lineForPeople(`${method} ${path.replace(/[?#].*$/s, '')}`);
