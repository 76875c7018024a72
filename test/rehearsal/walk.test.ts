import { describe, expect, it } from 'vitest';
import type { FaultReport } from '../../src/rehearsal/inject.js';
import { noteFault } from '../../src/rehearsal/walk.js';

const drift = { fault: 'drift', stage: 'live', did: 'a field differed' } as const;

function noted(report: FaultReport) {
  const told: string[] = [];
  const problems: string[] = [];
  const log = { faults: [] as FaultReport[] };
  const scene = {
    tell: (_kind: string, text: string) => told.push(text),
    problem: (text: string) => problems.push(text),
  };
  noteFault(scene, log, report);
  return { told, problems, faults: log.faults };
}

describe('a fault that was planted', () => {
  it('and reported is told with who did', () => {
    expect(noted({ ...drift, reported: 'shadow verdict: UNSAFE' })).toEqual({
      told: ['drift: a field differed. shadow verdict: UNSAFE'],
      problems: [],
      faults: [{ ...drift, reported: 'shadow verdict: UNSAFE' }],
    });
  });

  it('and that nobody reported is a problem', () => {
    const { told, problems } = noted({ ...drift, reported: null });
    expect(told).toEqual(['drift: a field differed. Nobody reported it.']);
    expect(problems).toEqual(['nobody reported drift in live']);
  });

  it('and left out, for a reason, is none', () => {
    const { told, problems } = noted({ ...drift, reported: null, leftOut: 'no line' });
    expect([told, problems]).toEqual([['drift: a field differed. no line'], []]);
  });
});
