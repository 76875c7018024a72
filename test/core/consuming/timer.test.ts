import { expect, it } from 'vitest';
import { unrefTimer } from '../../../src/core/consuming/timer.js';
import { within } from '../../await.js';

/** What keeps this process alive, as Node counts it. */
const timersThatHold = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

it('a timer fires once its time has come', async () => {
  await within(
    'the timer fires',
    new Promise<void>((resolve) => {
      unrefTimer(resolve, 1);
    }),
  );
});

it('a timer keeps no process alive', () => {
  const before = timersThatHold();
  const holding = setTimeout(() => {}, 60_000);
  expect(timersThatHold()).toBe(before + 1);
  clearTimeout(holding);
  const cancel = unrefTimer(() => {}, 60_000);
  expect(timersThatHold()).toBe(before);
  cancel();
});

it('a timer that is called off, and one longer than setTimeout can count, do not fire', async () => {
  const fired: string[] = [];
  const cancel = unrefTimer(() => fired.push('called off'), 1);
  cancel();
  const cancelLong = unrefTimer(() => fired.push('too long'), 2 ** 40);
  // Either would have fired after 1 ms: before a timer of 1 ms that was set after them.
  await new Promise((resolve) => setTimeout(resolve, 1));
  expect(fired).toEqual([]);
  cancelLong();
});
