import { describe, expect, it } from 'vitest';
import { createCircuit } from '../../../src/core/consuming/circuit.js';
import type { CircuitOptions } from '../../../src/core/consuming/circuit-options.js';
import { manualTime } from './manual-time.js';

const DOWN = new Error('database down');

function circuitAt(options: CircuitOptions = {}, startsAt = 0) {
  const time = manualTime(startsAt);
  const changes: (readonly [string, unknown, number])[] = [];
  const circuit = createCircuit(options, {
    now: time.now,
    setTimer: time.setTimer,
    onChange: (state, cause, pauseMs) => changes.push([state, cause, pauseMs]),
  });
  const times = (count: number, outcome: 'succeeded' | 'failed') => {
    for (let n = 0; n < count; n++) {
      if (outcome === 'succeeded') circuit.succeeded();
      else circuit.failed(DOWN);
    }
  };
  return { circuit, time, changes, times };
}

describe('a closed circuit', () => {
  it('stays closed while everything succeeds, and sets no timer', () => {
    const { circuit, time, changes, times } = circuitAt();
    times(1_000, 'succeeded');
    expect(circuit.state()).toBe('closed');
    expect(changes).toEqual([]);
    expect(time.timersEver()).toBe(0);
  });

  it('stays closed for nine failures in a row, and opens at the tenth', () => {
    const { circuit, times } = circuitAt();
    times(9, 'failed');
    expect(circuit.state()).toBe('closed');
    times(1, 'failed');
    expect(circuit.state()).toBe('open');
  });

  it('opens when half of the last 20 attempts have failed, not at one fewer', () => {
    const { circuit, times } = circuitAt();
    times(500, 'succeeded');
    times(9, 'failed');
    times(1, 'succeeded');
    expect(circuit.state()).toBe('closed');
    times(1, 'failed');
    expect(circuit.state()).toBe('open');
  });

  it('forgets failures that are more than 20 attempts ago', () => {
    const { circuit, times } = circuitAt();
    for (let round = 0; round < 10; round++) {
      times(9, 'failed');
      times(11, 'succeeded');
    }
    expect(circuit.state()).toBe('closed');
  });

  it('opens by other shares and windows where asked to, all of them failed included', () => {
    const all = circuitAt({ threshold: 1, window: 4 });
    all.times(3, 'failed');
    all.times(1, 'succeeded');
    all.times(3, 'failed');
    expect(all.circuit.state()).toBe('closed');
    all.times(1, 'failed');
    expect(all.circuit.state()).toBe('open');

    const few = circuitAt({ threshold: 0.1, window: 50 });
    few.times(50, 'succeeded');
    few.times(4, 'failed');
    expect(few.circuit.state()).toBe('closed');
    few.times(1, 'failed');
    expect(few.circuit.state()).toBe('open');
  });

  it('waits for half of a large window before it judges', () => {
    const { circuit, times } = circuitAt({ window: 100 });
    times(49, 'failed');
    expect(circuit.state()).toBe('closed');
    times(1, 'failed');
    expect(circuit.state()).toBe('open');
  });
});

describe('an open circuit', () => {
  it('tells what opened it and for how long, and since when', () => {
    const { circuit, changes, time, times } = circuitAt({}, 5_000);
    time.pass(1_000);
    times(10, 'failed');
    expect(changes).toEqual([['open', DOWN, 10_000]]);
    expect(circuit.since()).toBe(6_000);
  });

  it('is half-open after its pause, and not before', () => {
    const { circuit, changes, time, times } = circuitAt();
    times(10, 'failed');
    time.pass(9_999);
    expect(circuit.state()).toBe('open');
    time.pass(1);
    expect(circuit.state()).toBe('half-open');
    expect(changes.at(-1)).toEqual(['half-open', DOWN, 0]);
  });

  it('does not mind how the handlers end that were still running', () => {
    const { circuit, changes, time, times } = circuitAt();
    times(10, 'failed');
    times(50, 'failed');
    times(50, 'succeeded');
    expect(changes).toHaveLength(1);
    time.pass(10_000);
    expect(circuit.state()).toBe('half-open');
  });
});

describe('a half-open circuit', () => {
  it('closes when the probe succeeds, with a clean record', () => {
    const { circuit, changes, time, times } = circuitAt();
    times(10, 'failed');
    time.pass(10_000);
    circuit.succeeded();
    expect(changes.at(-1)).toEqual(['closed', undefined, 0]);
    // The failures from before do not count any more: it takes nine beside the probe's success, and one more.
    times(8, 'failed');
    expect(circuit.state()).toBe('closed');
    times(1, 'failed');
    expect(circuit.state()).toBe('open');
  });

  it('opens again when the probe fails, each time for twice as long, up to the limit', () => {
    const { circuit, changes, time, times } = circuitAt();
    times(10, 'failed');
    for (let probe = 0; probe < 7; probe++) {
      time.pass(changes.at(-1)?.[2] ?? 0);
      expect(circuit.state()).toBe('half-open');
      circuit.failed(DOWN);
    }
    const pauses = changes.filter(([state]) => state === 'open').map(([, , pauseMs]) => pauseMs);
    expect(pauses).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
  });

  it('begins with the first pause again after it was closed', () => {
    const { circuit, changes, time, times } = circuitAt({ openMs: 100, maxOpenMs: 1_000 });
    times(10, 'failed');
    time.pass(100);
    circuit.failed(DOWN);
    time.pass(200);
    circuit.succeeded();
    times(20, 'failed');
    expect(changes.at(-1)).toEqual(['open', DOWN, 100]);
  });

  it('stays half-open until a probe has ended, however long that takes', () => {
    const { circuit, time, times } = circuitAt();
    times(10, 'failed');
    time.pass(3_600_000);
    expect(circuit.state()).toBe('half-open');
    expect(time.timers()).toBe(0);
  });
});

describe('closing', () => {
  it('keeps a closed circuit closed', () => {
    const { circuit, changes, times } = circuitAt();
    circuit.close();
    times(100, 'failed');
    expect(circuit.state()).toBe('closed');
    expect(changes).toEqual([]);
  });

  it('calls off the timer and is silent from then on', () => {
    const { circuit, changes, time, times } = circuitAt();
    times(10, 'failed');
    circuit.close();
    circuit.close();
    expect(time.timers()).toBe(0);
    time.pass(1_000_000);
    times(100, 'failed');
    times(100, 'succeeded');
    expect(changes).toHaveLength(1);
  });

  it('may be done while a change is being told', () => {
    const time = manualTime();
    const states: string[] = [];
    const circuit = createCircuit(
      {},
      {
        now: time.now,
        setTimer: time.setTimer,
        onChange(state) {
          states.push(state);
          circuit.close();
        },
      },
    );
    for (let n = 0; n < 10; n++) circuit.failed(DOWN);
    time.pass(1_000_000);
    expect(states).toEqual(['open']);
    expect(time.timers()).toBe(0);
  });
});

it.each([
  [{ threshold: 0 }, 'circuit.threshold must be above 0 and up to 1, got 0'],
  [{ threshold: 1.1 }, 'circuit.threshold must be above 0 and up to 1, got 1.1'],
  [{ threshold: Number.NaN }, 'circuit.threshold must be above 0 and up to 1, got NaN'],
  [{ window: 0 }, 'circuit.window must be a whole number from 1, got 0'],
  [{ window: 2.5 }, 'circuit.window must be a whole number from 1, got 2.5'],
  [{ openMs: 0 }, 'circuit.openMs must be above 0, got 0'],
  [{ openMs: 200, maxOpenMs: 100 }, 'circuit.maxOpenMs must be at least openMs, got 100'],
])('%j is refused with a text that says what is allowed', (options, message) => {
  expect(() => circuitAt(options)).toThrow(expect.objectContaining({ code: 'usage', message }));
});

it('a first pause above the usual limit raises the limit', () => {
  const { changes, time, times } = circuitAt({ openMs: 600_000 });
  times(10, 'failed');
  time.pass(600_000);
  times(1, 'failed');
  expect(changes.at(-1)).toEqual(['open', DOWN, 600_000]);
});
