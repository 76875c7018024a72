import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/project/config.js';
import { cleanLegsFor, configOf, LEAST_JOBS, limitsFor } from '../../src/rehearsal/limits.js';
import { isSafe, sharesOf } from '../../src/shadow/sequential-test.js';

describe('the limits of a rehearsal', () => {
  it.each([
    [LEAST_JOBS, 0.3, 10],
    [160, 0.1, 32],
    [400, 0.05, 65],
    [20_000, 0.001, 3_327],
  ])('with %i jobs tolerate %d and take %i clean legs', (jobs, tolerated, cleanLegs) => {
    expect(limitsFor(jobs)).toEqual({ tolerated, cleanLegs, windowMs: 2_000 });
  });

  it('are those of the table in docs/rehearsal.md', () => {
    const text = readFileSync(fileURLToPath(new URL('../../docs/rehearsal.md', import.meta.url)), 'utf8');
    const row = (name: string) => {
      const line = text.split('\n').find((each) => each.startsWith(`| ${name} |`)) ?? '';
      const cells = line.split('|').slice(2, -1);
      return cells.map((cell) => Number(cell.replace(/[ ,%]/g, '')));
    };
    const tolerated = row('tolerated share of bad legs').map((percent) => percent / 100);
    expect(tolerated).toHaveLength(9);
    expect(tolerated.map(cleanLegsFor)).toEqual(row('clean legs for SAFE'));
  });

  it('are SAFE by the verdict that everybody gets, and not a leg earlier', () => {
    const { tolerated, cleanLegs } = limitsFor(160);
    expect(isSafe({ legs: cleanLegs, bad: 0 }, sharesOf(tolerated))).toBe(true);
    expect(isSafe({ legs: cleanLegs - 1, bad: 0 }, sharesOf(tolerated))).toBe(false);
  });
});

describe('its config', () => {
  it('is one that the commands take', () => {
    const legs = [{ eventType: 'analysis.failed', consumer: 'assessment' }];
    const text = configOf(limitsFor(160), legs);
    expect(parseConfig(JSON.parse(text), 'atma-events.config.json').shadowPolicy?.strata).toEqual([
      { eventType: 'analysis.failed', consumer: 'assessment', tolerated: 0.1 },
    ]);
  });
});
