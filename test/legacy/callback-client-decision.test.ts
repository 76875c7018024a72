/** What follows an attempt, as the table in the source says. */
import { describe, expect, it } from 'vitest';
import { type Course, decideNext, type Outcome } from '../../src/legacy/callback-client-decision.js';

const FRESH: Course = { failures: 0, renewed: false, replaced: false, canRenew: false, leftMs: 30_000 };
const RETRY = { retries: 3, firstDelayMs: 200, maxDelayMs: 5_000 };
const NOW = Date.parse('2026-11-20T12:00:00Z');

const answer = (status: number, retryAfter?: string): Outcome => ({
  kind: 'answer',
  status,
  retryAfter,
  text: '',
});
const cut = (stale = false): Outcome => ({ kind: 'cut', code: 'ECONNRESET', sent: true, stale });

function next(outcome: Outcome, course: Partial<Course> = {}, random = 0.5, retry = RETRY) {
  return decideNext(
    outcome,
    { ...FRESH, ...course },
    retry,
    () => random,
    () => NOW,
  );
}

const AGAIN = { go: 'again', afterMs: 100 };

describe('what follows an attempt', () => {
  it.each<[string, Outcome, Partial<Course>, object]>([
    ['200', answer(200), {}, { go: 'done' }],
    ['299 as the last try', answer(299), { failures: 3 }, { go: 'done' }],
    ['301', answer(301), {}, { go: 'refused' }],
    ['400', answer(400), {}, { go: 'refused' }],
    ['408', answer(408), {}, { go: 'refused' }],
    ['429 that asks to come back', answer(429, '1'), {}, { go: 'refused' }],
    ['401 with a fixed secret', answer(401), {}, { go: 'refused' }],
    ['401 with a token source', answer(401), { canRenew: true }, { go: 'renew' }],
    ['401 after the last failure', answer(401), { canRenew: true, failures: 3 }, { go: 'renew' }],
    ['401 with the second token', answer(401), { canRenew: true, renewed: true }, { go: 'refused' }],
    ['403 with a token source', answer(403), { canRenew: true }, { go: 'refused' }],
    ['500', answer(500), {}, AGAIN],
    ['599', answer(599), {}, AGAIN],
    ['no connection', { kind: 'cut', code: 'ECONNREFUSED', sent: false, stale: false }, {}, AGAIN],
    ['a lost connection', cut(), {}, AGAIN],
    ['no connection in time', { kind: 'late', phase: 'connect' }, {}, AGAIN],
    ['no answer in time', { kind: 'late', phase: 'response' }, {}, AGAIN],
    ['no token', { kind: 'no-token', code: 'ECONNREFUSED' }, {}, AGAIN],
    ['a kept connection that is gone', cut(true), {}, { go: 'replace' }],
    ['the same after the last failure', cut(true), { failures: 3 }, { go: 'replace' }],
    ['a second one', cut(true), { replaced: true }, AGAIN],
    ['500, and no retry left', answer(500), { failures: 3 }, { go: 'give-up' }],
    ['500, and 101 ms left', answer(500), { leftMs: 101 }, AGAIN],
    ['500, and no time for the pause', answer(500), { leftMs: 100 }, { go: 'give-up' }],
  ])('%s', (_, outcome, course, expected) => {
    expect(next(outcome, course)).toEqual(expected);
  });
});

describe('the pause', () => {
  it('is random up to a bound that doubles and ends at the longest', () => {
    const retry = { retries: 9, firstDelayMs: 200, maxDelayMs: 1_000 };
    const bounds = [0, 1, 2, 3, 4, 8].map((failures) => next(answer(500), { failures }, 0.999_999, retry));
    expect(bounds).toMatchObject([199, 399, 799, 999, 999, 999].map((afterMs) => ({ afterMs })));
    expect(next(answer(500), {}, 0)).toMatchObject({ afterMs: 0 });
  });

  it.each<[string, string | undefined, object]>([
    ['seconds', '7', { go: 'again', afterMs: 7_100 }],
    ['a date', 'Fri, 20 Nov 2026 12:00:07 GMT', { go: 'again', afterMs: 7_100 }],
    ['a date that is past', 'Fri, 20 Nov 2026 11:00:00 GMT', AGAIN],
    ['nonsense', 'soon', AGAIN],
    ['nothing', undefined, AGAIN],
    ['more than the send has left', '30', { go: 'give-up' }],
  ])('of a 503 is what Retry-After asks for, and the jitter on top: %s', (_, retryAfter, expected) => {
    expect(next(answer(503, retryAfter))).toEqual(expected);
  });

  it('of another failure is not what Retry-After says', () => {
    expect(next(answer(500, '7'))).toEqual(AGAIN);
  });
});
