import { describe, expect, it } from 'vitest';
import { lineDiff } from '../../src/terminal/line-diff.js';

const shown = (before: string[], after: string[]) =>
  lineDiff(before.join('\n'), after.join('\n')).map(({ mark, text }) => `${mark}${text}`);

describe('the difference between two texts', () => {
  it('is nothing where they are the same', () => {
    expect(shown(['a', 'b'], ['a', 'b'])).toEqual([]);
  });

  it('is the changed lines with two lines around each, and a mark where something was left out', () => {
    const before = ['1', '2', '3', 'old', '5', '6', '7', '8', '9', 'x', '11'];
    const after = ['1', '2', '3', 'new', '5', '6', '7', '8', '9', '11'];
    expect(shown(before, after)).toEqual([
      ' 2',
      ' 3',
      '-old',
      '+new',
      ' 5',
      ' 6',
      ' …',
      ' 8',
      ' 9',
      '-x',
      ' 11',
    ]);
  });

  it('keeps what both have in common between changes', () => {
    expect(shown(['a', 'b', 'c', 'd'], ['x', 'b', 'c', 'y', 'd'])).toEqual([
      '-a',
      '+x',
      ' b',
      ' c',
      '+y',
      ' d',
    ]);
  });

  it('shows nothing that is not in the texts, in its order', () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return (seed >> 8) % below;
    };
    const text = () => Array.from({ length: random(6) }, () => 'abc'[random(3)] ?? '').join('\n');
    let shownWhole = 0;
    for (let round = 0; round < 500; round++) {
      const [before, after] = [text(), text()];
      const lines = lineDiff(before, after);
      expect(lines.length > 0).toBe(before !== after);
      if (before === after || lines.some((line) => line.text === '…')) continue;
      shownWhole++;
      const without = (mark: string) => lines.filter((line) => line.mark !== mark).map((line) => line.text);
      expect(`\n${before}\n`).toContain(`\n${without('+').join('\n')}\n`);
      expect(`\n${after}\n`).toContain(`\n${without('-').join('\n')}\n`);
    }
    expect(shownWhole).toBeGreaterThan(100);
  });

  it('is still told when thousands of lines differ', () => {
    const before = Array.from({ length: 3_000 }, (_, at) => `a${at}`);
    const after = Array.from({ length: 3_000 }, (_, at) => `b${at}`);
    const lines = shown(before, after);
    expect(lines).toHaveLength(6_000);
    expect(lines[0]).toBe('-a0');
    expect(lines.at(-1)).toBe('+b2999');
  });
});
