import { describe, expect, test } from 'vitest';
import { latencySketch } from '../../src/shadow/latency.js';
import { describeSkew, readSkew, type Skew, skew, skewSideBySide } from '../../src/shadow/skew.js';
import { seeded } from '../transports/routing-cases.js';

const NOON = Date.UTC(2025, 5, 1, 12);

describe('the skew of two clocks', () => {
  test.each([0, 250, -250, 3_600_000])(
    'pairs both ways enclose an offset of %i ms, whatever the delays',
    (offset) => {
      const random = seeded(offset + 1);
      for (let round = 0; round < 50; round += 1) {
        const clocks = skew();
        for (let pair = 0; pair < 40; pair += 1) {
          const at = NOON + pair * 1_000;
          clocks.leftHere(at, at + offset + delay(random));
          clocks.leftThere(at + offset, at + delay(random));
        }
        const { basis, offsetMs, atLeastMs, atMostMs, contradictory } = clocks.estimate();
        expect(basis).toBe('both-ways');
        expect(contradictory).toBe(false);
        expect(atLeastMs).toBeLessThanOrEqual(offset);
        expect(atMostMs).toBeGreaterThanOrEqual(offset);
        const halfWidth = ((atMostMs ?? 0) - (atLeastMs ?? 0)) / 2;
        expect(Math.abs((offsetMs ?? Number.NaN) - offset)).toBeLessThanOrEqual(halfWidth);
      }
    },
  );

  test('the fastest pair counts, not the usual one', () => {
    const clocks = skew();
    for (const took of [900, 5, 700]) clocks.leftHere(NOON, NOON + 100 + took);
    for (const took of [800, 3, 600]) clocks.leftThere(NOON + 100, NOON + took);
    expect(clocks.estimate()).toEqual({
      basis: 'both-ways',
      offsetMs: 101,
      atLeastMs: 97,
      atMostMs: 105,
      contradictory: false,
      pairs: 6,
    });
    expect(said(clocks)).toBe('The clock of tap is 101 ms ahead of that of proxy, give or take 4 ms.');
  });

  test('a message that arrives before it left proves the clock there behind', () => {
    const clocks = skew();
    clocks.leftHere(NOON, NOON - 2_000);
    clocks.leftHere(NOON, NOON - 1_900);
    expect(clocks.estimate()).toMatchObject({
      basis: 'one-way',
      offsetMs: -2_000,
      atLeastMs: null,
      atMostMs: -2_000,
    });
    expect(said(clocks)).toBe(
      'The clock of tap is at least 2 s behind that of proxy; nothing bounds it on the other side.',
    );
  });

  test('a message that arrives after it left only says how far ahead the clock there may be', () => {
    const clocks = skew();
    clocks.leftHere(NOON, NOON + 12);
    expect(said(clocks)).toBe(
      'The clock of tap is at most 12 ms ahead of that of proxy; nothing bounds it on the other side.',
    );
  });

  test('the other way round the same holds with the sign turned', () => {
    const early = skew();
    early.leftThere(NOON, NOON - 70);
    expect(said(early)).toContain('at least 70 ms ahead of that of proxy');
    const usual = skew();
    usual.leftThere(NOON, NOON + 70);
    expect(said(usual)).toContain('at most 70 ms behind that of proxy');
  });

  test('facts seen on both hosts give a median, and nothing that is certain', () => {
    const clocks = skew();
    for (const apart of [40, 50, 60, 90_000, -5]) clocks.seenOnBoth(NOON, NOON + apart);
    const { basis, offsetMs, atLeastMs, atMostMs, pairs } = clocks.estimate();
    expect({ basis, atLeastMs, atMostMs, pairs }).toEqual({
      basis: 'side-by-side',
      atLeastMs: null,
      atMostMs: null,
      pairs: 5,
    });
    expect(Math.abs((offsetMs ?? 0) - 50)).toBeLessThanOrEqual(0.5);
    expect(said(clocks)).toContain('unless one path is that much slower');
  });

  test('pairs that bound it are believed before pairs that do not', () => {
    const clocks = skew();
    clocks.seenOnBoth(NOON, NOON + 500);
    clocks.leftHere(NOON, NOON + 7);
    expect(clocks.estimate()).toMatchObject({ basis: 'one-way', offsetMs: 7, pairs: 1 });
  });

  test('a clock that was set meanwhile contradicts itself, and no offset is made up', () => {
    const clocks = skew();
    clocks.leftHere(NOON, NOON + 5);
    clocks.leftThere(NOON + 60_000, NOON + 5);
    expect(clocks.estimate()).toMatchObject({
      contradictory: true,
      offsetMs: null,
      atLeastMs: 59_995,
      atMostMs: 5,
    });
    expect(said(clocks)).toContain('do not trust times between them');
  });

  test('of seconds is told in seconds, where facts were only seen side by side', () => {
    const lags = latencySketch();
    for (let fact = 0; fact < 1_200; fact++) lags.add(40_000);
    const estimate = skewSideBySide(lags);
    expect(estimate).toMatchObject({ basis: 'side-by-side', atLeastMs: null, atMostMs: null, pairs: 1_200 });
    expect(describeSkew('proxy', 'tap', estimate)).toBe(
      'The clock of tap looks 40 s ahead of that of proxy (median of 1,200), unless one path is that much slower.',
    );
  });

  test('without any pair nothing is said', () => {
    expect(skew().estimate()).toMatchObject({ basis: 'none', offsetMs: null, pairs: 0 });
    expect(said(skew())).toBe('Nothing tells yet how far the clocks of proxy and tap are apart.');
  });

  test('what was written as JSON goes on where it was', () => {
    const clocks = skew();
    clocks.leftHere(NOON, NOON + 105);
    clocks.seenOnBoth(NOON, NOON + 300);
    const read = readSkew(JSON.parse(JSON.stringify(clocks)));
    expect(read.estimate()).toEqual(clocks.estimate());
    read.leftThere(NOON + 100, NOON + 3);
    expect(read.estimate()).toMatchObject({ basis: 'both-ways', offsetMs: 101, pairs: 2 });
  });

  test('damaged JSON is refused', () => {
    expect(() => readSkew({ out: 1 })).toThrow(expect.objectContaining({ code: 'storage' }));
  });
});

function said(clocks: Skew): string {
  return describeSkew('proxy', 'tap', clocks.estimate());
}

/** Mostly some milliseconds, now and then seconds; never nothing. */
function delay(random: () => number): number {
  return 1 + 5 / (1 - random());
}
