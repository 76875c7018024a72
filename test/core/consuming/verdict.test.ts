import { expect, it } from 'vitest';
import { PermanentError } from '../../../src/core/consuming/permanent-error.js';
import { verdictOn } from '../../../src/core/consuming/verdict.js';
import { EventsError } from '../../../src/core/errors.js';

const busy = new EventsError('busy', 'another has the key');

it.each([
  ['anything, with attempts left', new Error('x'), 5, 9, { kind: 'retry', delayMs: 5 }],
  ['anything, after the last attempt', new Error('x'), undefined, 9, { kind: 'dead', reason: 'exhausted' }],
  ['a permanent error', new PermanentError('x'), 5, 9, { kind: 'dead', reason: 'permanent' }],
  [
    'an unknown effect',
    new EventsError('effect-unknown', 'x'),
    5,
    9,
    { kind: 'dead', reason: 'effect-unknown' },
  ],
  ['a busy key, with attempts left', busy, 5, 9, { kind: 'retry', delayMs: 5 }],
  ['a busy key, after the last attempt', busy, undefined, 9, { kind: 'retry', delayMs: 9 }],
  ['a busy key, without a ladder', busy, undefined, undefined, { kind: 'dead', reason: 'exhausted' }],
] as const)('%s', (_, error, delayMs, lastDelayMs, verdict) => {
  expect(verdictOn(error, delayMs, lastDelayMs)).toEqual(verdict);
});
