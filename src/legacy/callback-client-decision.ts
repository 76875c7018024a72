/**
 * What follows an attempt:
 *
 * | outcome | then |
 * |---|---|
 * | 2xx | done |
 * | 401, and the token can be renewed and was not yet | again at once, with another token |
 * | any other 3xx or 4xx, also 408 and 429 | refused |
 * | a kept connection turned out to be gone, the first time | again at once |
 * | 5xx, no connection, connection lost, timeout, no token | again after a pause |
 * | the same, and no retry is left, or the pause would outlast the send | given up |
 */
import type { CallbackRetry } from './callback-client-options.js';

export type Outcome =
  | {
      readonly kind: 'answer';
      readonly status: number;
      /** Of the header Retry-After. */
      readonly retryAfter: string | undefined;
      /** The beginning of a refusal's or failure's body, for people. */
      readonly text: string;
    }
  /** Too late: no connection, or no answer on it. */
  | { readonly kind: 'late'; readonly phase: 'connect' | 'response' }
  /**
   * No connection, or lost before an answer. `sent`: the request went out on it. `stale`: a kept connection, which the
   * service may have given up before it saw the request.
   */
  | { readonly kind: 'cut'; readonly code: string; readonly sent: boolean; readonly stale: boolean }
  /** The token source failed. */
  | { readonly kind: 'no-token'; readonly code: string };

/** What a send has behind it. */
export interface Course {
  /** Outcomes that used up a retry, before this one. */
  readonly failures: number;
  readonly renewed: boolean;
  /** A gone connection was replaced already. */
  readonly replaced: boolean;
  readonly canRenew: boolean;
  /** Milliseconds until the send is over. */
  readonly leftMs: number;
}

export type Next =
  | { readonly go: 'done' | 'refused' | 'renew' | 'replace' | 'give-up' }
  | { readonly go: 'again'; readonly afterMs: number };

export function decideNext(
  outcome: Outcome,
  course: Course,
  retry: Required<CallbackRetry>,
  random: () => number,
  now: () => number,
): Next {
  if (outcome.kind === 'answer' && outcome.status < 500) {
    if (outcome.status >= 200 && outcome.status < 300) return { go: 'done' };
    return { go: outcome.status === 401 && course.canRenew && !course.renewed ? 'renew' : 'refused' };
  }
  if (outcome.kind === 'cut' && outcome.stale && !course.replaced) return { go: 'replace' };
  if (course.failures >= retry.retries) return { go: 'give-up' };
  const afterMs = askedMs(outcome, now) + pauseMs(course.failures, retry, random);
  return afterMs < course.leftMs ? { go: 'again', afterMs } : { go: 'give-up' };
}

/** Anything up to the bound (full jitter), so that those who failed together do not come back together. */
function pauseMs(
  failures: number,
  { firstDelayMs, maxDelayMs }: Required<CallbackRetry>,
  random: () => number,
): number {
  return Math.floor(random() * Math.min(maxDelayMs, firstDelayMs * 2 ** failures));
}

/** Milliseconds that a 503 asks to be left alone (RFC 9110 section 10.2.3: seconds, or a date); 0 for anything else. */
function askedMs(outcome: Outcome, now: () => number): number {
  if (outcome.kind !== 'answer' || outcome.status !== 503 || outcome.retryAfter === undefined) return 0;
  const text = outcome.retryAfter.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now());
}
