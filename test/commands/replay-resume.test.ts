import { expect, it } from 'vitest';
import { consequenceOf } from '../../src/commands/replay-resume.js';

it.each([
  [0, 0, 'nothing of it is open'],
  [3, 0, '3 delivered: the next replay only takes them off q'],
  [0, 2, '2 perhaps delivered: the next replay sends those it selects, as possible duplicates'],
  [
    3,
    2,
    '3 delivered: the next replay only takes them off q; 2 perhaps delivered: the next replay sends those it selects, as possible duplicates',
  ],
])(
  'giving up a replay with %i messages confirmed and %i claimed says what the next one does',
  (confirmed, claimed, text) => {
    expect(consequenceOf({ queue: 'q', confirmed, claimed })).toBe(text);
  },
);
