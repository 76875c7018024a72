import { describe, expect, it } from 'vitest';
import { watchOverdue } from '../../../src/core/consuming/overdue.js';
import { manualTime } from './manual-time.js';

function watchAt(afterMs: number) {
  const time = manualTime(1_000);
  const told: (readonly [string, number])[] = [];
  const watch = watchOverdue<string>({
    afterMs,
    now: time.now,
    setTimer: time.setTimer,
    onOverdue: (token, runningMs) => told.push([token, runningMs]),
  });
  return { watch, time, told };
}

describe('what runs for too long', () => {
  it('is told of once, when it is overdue and not before', () => {
    const { watch, time, told } = watchAt(100);
    watch.started('a');
    time.pass(99);
    expect(told).toEqual([]);
    time.pass(1);
    expect(told).toEqual([['a', 100]]);
    time.pass(10_000);
    expect(told).toHaveLength(1);
  });

  it('is told of at its own time, whatever started before and after it', () => {
    const { watch, time, told } = watchAt(100);
    for (const token of ['a', 'b', 'c']) {
      watch.started(token);
      time.pass(30);
    }
    time.pass(10);
    expect(told).toEqual([['a', 100]]);
    time.pass(29);
    expect(told).toHaveLength(1);
    time.pass(1);
    expect(told).toEqual([
      ['a', 100],
      ['b', 100],
    ]);
    time.pass(30);
    expect(told.at(-1)).toEqual(['c', 100]);
  });

  it('is not told of when it has ended in time, and those behind it are', () => {
    const { watch, time, told } = watchAt(100);
    watch.started('quick');
    time.pass(50);
    watch.started('slow');
    watch.ended('quick');
    time.pass(100);
    expect(told).toEqual([['slow', 100]]);
  });

  it('has its time from the last start', () => {
    const { watch, time, told } = watchAt(100);
    watch.started('a');
    time.pass(60);
    watch.started('b');
    watch.started('a');
    time.pass(60);
    expect(told).toEqual([]);
    time.pass(40);
    expect(told).toEqual([
      ['b', 100],
      ['a', 100],
    ]);
  });

  it('may end after it was told of, and be watched again', () => {
    const { watch, time, told } = watchAt(100);
    watch.started('a');
    time.pass(100);
    watch.ended('a');
    watch.ended('never started');
    watch.started('a');
    time.pass(100);
    expect(told).toHaveLength(2);
  });

  it('is told of in time although something started while another was told of', () => {
    const time = manualTime();
    const told: (readonly [string, number])[] = [];
    const watch = watchOverdue<string>({
      afterMs: 100,
      now: time.now,
      setTimer: time.setTimer,
      onOverdue(token, runningMs) {
        told.push([token, runningMs]);
        if (token === 'a') watch.started('c');
      },
    });
    watch.started('a');
    time.pass(50);
    watch.started('b');
    time.pass(50);
    expect(time.timers()).toBe(1);
    time.pass(150);
    expect(told).toEqual([
      ['a', 100],
      ['b', 100],
      ['c', 100],
    ]);
  });
});

describe('the cost', () => {
  it('is one timer for all, set once per period however much passes through', () => {
    const { watch, time } = watchAt(1_000);
    for (let n = 0; n < 10_000; n++) {
      watch.started(`t${n}`);
      if (n % 100 === 0) time.pass(1);
      watch.ended(`t${n}`);
    }
    expect(time.timersEver()).toBe(1);
  });

  it('is no timer while nothing runs', () => {
    const { watch, time } = watchAt(100);
    expect(time.timers()).toBe(0);
    watch.started('a');
    watch.ended('a');
    time.pass(100);
    expect(time.timers()).toBe(0);
    watch.started('b');
    expect(time.timers()).toBe(1);
  });
});

describe('closing', () => {
  it('forgets everything and calls off the timer', () => {
    const { watch, time, told } = watchAt(100);
    watch.started('a');
    watch.close();
    watch.close();
    watch.started('b');
    expect(time.timers()).toBe(0);
    time.pass(1_000);
    expect(told).toEqual([]);
  });

  it('may be done while something is told of', () => {
    const time = manualTime();
    const told: string[] = [];
    const watch = watchOverdue<string>({
      afterMs: 100,
      now: time.now,
      setTimer: time.setTimer,
      onOverdue(token) {
        told.push(token);
        watch.close();
      },
    });
    watch.started('a');
    watch.started('b');
    time.pass(1_000);
    expect(told).toEqual(['a']);
    expect(time.timers()).toBe(0);
  });
});
