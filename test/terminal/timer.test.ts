import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { startTimer } from '../../src/terminal/timer.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const DAY = 86_400_000;

it('a timer of thirty days fires after thirty days, which is more than setTimeout can count', () => {
  let fired = false;
  startTimer(30 * DAY, () => {
    fired = true;
  });
  vi.advanceTimersByTime(30 * DAY - 1);
  expect(fired).toBe(false);
  vi.advanceTimersByTime(1);
  expect(fired).toBe(true);
});

it('a timer that was called off never fires', () => {
  let fired = false;
  const callOff = startTimer(30 * DAY, () => {
    fired = true;
  });
  vi.advanceTimersByTime(29 * DAY);
  callOff();
  vi.advanceTimersByTime(60 * DAY);
  expect(fired).toBe(false);
});
