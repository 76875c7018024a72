import { expect, it } from 'vitest';
import { age } from '../../src/terminal/age.js';

it.each([
  [-5_000, '0 s'],
  [0, '0 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [3_599_000, '59 min'],
  [3_600_000, '1 h'],
  [86_399_000, '23 h'],
  [86_400_000, '1 day'],
  [250_000_000, '2 days'],
])('an age of %s ms is %s', (ms, text) => {
  expect(age(ms)).toBe(text);
});
