import { describe, expect, test } from 'vitest';
import type { Position, Stage } from '../../src/core/migration/stage.js';
import { isGrowth, requirePosition, requireSample, stepOf } from '../../src/migration/position.js';
import { at } from './flag-scene.js';

const STEPS: readonly (readonly [Position, Position, 'forward' | 'backward' | 'none', boolean])[] = [
  [at('off'), at('publish'), 'forward', true],
  [at('off'), at('publish', 1), 'forward', true],
  [at('off'), at('shadow', 1), 'forward', false],
  [at('shadow'), at('live', 25), 'forward', true],
  [at('shadow'), at('live'), 'forward', true],
  [at('shadow'), at('rampdown', 1), 'forward', false],
  [at('live', 25), at('live', 26), 'forward', true],
  [at('live', 25), at('live'), 'forward', true],
  // Not everybody has reached live.
  [at('live', 99), at('rampdown', 1), 'forward', false],
  [at('live'), at('rampdown', 1), 'forward', true],
  [at('rampdown'), at('complete'), 'forward', true],
  [at('publish', 29), at('publish'), 'forward', true],
  [at('publish', 29), at('shadow', 1), 'forward', false],
  [at('complete'), at('off'), 'backward', true],
  [at('complete'), at('rampdown'), 'backward', true],
  [at('live', 25), at('live', 24), 'backward', true],
  [at('live', 25), at('shadow'), 'backward', true],
  [at('rampdown', 1), at('live'), 'backward', true],
  [at('live', 25), at('live', 25), 'none', true],
  [at('off'), at('off'), 'none', true],
];

describe('a step', () => {
  test.each(STEPS)('from %j to %j goes %s, allowed without force: %s', (from, to, direction, allowed) => {
    expect(stepOf(from, to)).toMatchObject({ direction, allowed });
  });

  test('is growth when more jobs come to the stage that some are in', () => {
    expect(isGrowth(at('live', 25), at('live', 26))).toBe(true);
    expect(isGrowth(at('live', 25), at('live', 25))).toBe(false);
    expect(isGrowth(at('live', 25), at('live', 1))).toBe(false);
    expect(isGrowth(at('shadow'), at('live', 1))).toBe(false);
  });
});

describe('a position', () => {
  test.each([
    ['a part of off', at('off', 50)],
    ['nobody', at('live', 0)],
    ['more than all', at('live', 101)],
    ['a fraction of a percent', at('live', 0.5)],
    ['no number', at('live', Number.NaN)],
    ['an unknown stage', at('canary' as Stage)],
  ])('that is %s is refused', (_, position) => {
    expect(() => requirePosition(position)).toThrow(expect.objectContaining({ code: 'usage' }));
  });

  test('that can be is taken, and so is a share of 0 to 100 for the sample', () => {
    for (const position of [at('off'), at('live', 1), at('complete')]) requirePosition(position);
    for (const share of [0, 10, 100]) requireSample(share);
    for (const share of [-1, 101, 0.5, Number.NaN]) {
      expect(() => requireSample(share)).toThrow(expect.objectContaining({ code: 'usage' }));
    }
  });
});
