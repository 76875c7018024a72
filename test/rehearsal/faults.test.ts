import { describe, expect, it } from 'vitest';
import { STAGES } from '../../src/core/migration/stage.js';
import { FAULTS, isWatched, parseFaults, STAGES_OF, STANDARD_FAULTS } from '../../src/rehearsal/faults.js';

const text = (...faults: readonly object[]) => JSON.stringify({ faults });

describe('the standard faults', () => {
  it('kill the notification service in every stage', () => {
    const killed = STANDARD_FAULTS.filter(({ fault }) => fault === 'notification-killed');
    expect(killed.map(({ stage }) => stage)).toEqual([...STAGES]);
  });

  it('are each planted where it makes sense, and once', () => {
    for (const { fault, stage } of STANDARD_FAULTS) expect(STAGES_OF[fault]).toContain(stage);
    expect(parseFaults(text(...STANDARD_FAULTS), 'standard')).toEqual(STANDARD_FAULTS);
  });

  it('hold every kind but those that are killed instead of the notification service', () => {
    const planted = new Set(STANDARD_FAULTS.map(({ fault }) => fault));
    expect(FAULTS.filter((fault) => !planted.has(fault))).toEqual(['assessment-killed', 'worker-killed']);
  });
});

describe('a file of faults', () => {
  it.each([
    ['nothing', '', 'f.json is not JSON'],
    ['no list', '{}', 'f.json: faults: '],
    ['another key', '{"faults":[],"also":1}', 'f.json: '],
    ['a stage that is none', text({ fault: 'drift', stage: 'canary' }), 'f.json: faults.0.stage: '],
    [
      'a fault where it makes no sense',
      text({ fault: 'drift', stage: 'complete' }),
      '"drift" makes no sense in complete: shadow, live',
    ],
    [
      'a fault twice in a stage',
      text({ fault: 'drift', stage: 'live' }, { fault: 'drift', stage: 'live' }),
      'drift in live stands there twice',
    ],
  ])('with %s is refused', (_what, file, message) => {
    expect(() => parseFaults(file, 'f.json')).toThrowError(
      expect.objectContaining({ code: 'input-invalid', message: expect.stringContaining(message) }),
    );
  });

  it('with a misspelt fault names the closest', () => {
    expect(() => parseFaults(text({ fault: 'drifts', stage: 'live' }), 'f.json')).toThrowError(
      expect.objectContaining({ hint: 'Did you mean "drift"?' }),
    );
  });
});

describe('what a shadow run has to report', () => {
  it('are refusals in dry run, not those that give a job up', () => {
    expect(isWatched({ fault: 'callbacks-400', stage: 'live' })).toBe(true);
    expect(isWatched({ fault: 'callbacks-400', stage: 'publish' })).toBe(false);
  });
});
