import { describe, expect, test } from 'vitest';
import { matchesBindingKey, wordsOf } from '../../../src/core/topology/routing-key.js';

describe('matching a routing key', () => {
  test.each([
    // binding key, routing key, matches
    ['a.b', 'a.b', true],
    ['a.b', 'a.c', false],
    ['a.b', 'a.b.c', false],
    ['a.*', 'a.b', true],
    ['a.*', 'a', false],
    ['a.*', 'a.', true],
    ['a.*', 'a.b.c', false],
    ['*', '', false],
    ['#', '', true],
    ['', '', true],
    ['', 'a', false],
    ['*.*', '.', true],
    ['a..b', 'a..b', true],
    ['a.*.b', 'a..b', true],
    ['a.#', 'a', true],
    ['a.#', 'a.b.c', true],
    ['a.#', 'ab', false],
    ['#.a', 'a', true],
    ['#.a', 'x.y.a', true],
    ['#.a', 'x.a.y', false],
    ['a.#.b', 'a.b', true],
    ['a.#.b', 'a.x.y.b', true],
    ['a.#.b', 'a.x.y', false],
    ['#.a.#', 'x.a.y', true],
    ['#.a.#.b.#', 'x.b.a.y.b', true],
    ['#.a.#.b.#', 'x.b.a.y', false],
    ['#.#', 'a', true],
    ['*.#', '', false],
    ['*.#', 'a', true],
    ['#.*', 'a.b', true],
    ['a*', 'ab', false],
    ['a#', 'ab', false],
    ['ä.*', 'ä.ö', true],
    ['a\u0308.*', 'ä.x', false],
    ['🎉.#', '🎉.🎂.b', true],
    ['A.b', 'a.b', false],
    ['*', '*', true],
    ['#', '#', true],
    ['a.*', 'a.#', true],
  ])('"%s" on "%s": %s', (pattern, key, matches) => {
    expect(matchesBindingKey(pattern, key)).toBe(matches);
  });

  test('many # on a long key take time in proportion, not exponential', () => {
    const pattern = `${'#.a.'.repeat(30)}b`;
    const key = 'a.'.repeat(100).concat('c');
    const start = performance.now();
    expect(matchesBindingKey(pattern, key)).toBe(false);
    // Trying every split takes longer than the universe; going back to the last # only takes microseconds.
    expect(performance.now() - start).toBeLessThan(100);
  });

  test('agrees with the definition on all short patterns and keys', () => {
    const words = ['a', 'b', ''];
    const keys = sequences(words, 4).map((key) => key.join('.'));
    const patterns = sequences([...words, '*', '#'], 3).map((pattern) => pattern.join('.'));
    const wrong = patterns.flatMap((pattern) =>
      keys.filter((key) => matchesBindingKey(pattern, key) !== byDefinition(wordsOf(pattern), wordsOf(key))),
    );
    expect(patterns.length * keys.length).toBeGreaterThan(10_000);
    expect(wrong).toEqual([]);
  });
});

/** Word by word, as the specification tells it: slow, and plain to see. */
function byDefinition(pattern: readonly string[], key: readonly string[]): boolean {
  const [first, ...others] = pattern;
  if (first === undefined) return key.length === 0;
  if (first === '#') {
    return Array.from({ length: key.length + 1 }, (_, taken) => key.slice(taken)).some((rest) =>
      byDefinition(others, rest),
    );
  }
  const [word, ...rest] = key;
  return word !== undefined && (first === '*' || first === word) && byDefinition(others, rest);
}

/** All sequences of 1 to `length` words. */
function sequences(words: readonly string[], length: number): string[][] {
  if (length === 0) return [];
  const shorter = sequences(words, length - 1);
  const longest = shorter.length === 0 ? [[]] : shorter.filter((sequence) => sequence.length === length - 1);
  return [...shorter, ...longest.flatMap((sequence) => words.map((word) => [...sequence, word]))];
}
