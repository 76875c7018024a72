/** What changed between two texts, line by line, for people. */

export interface DiffLine {
  readonly mark: ' ' | '-' | '+';
  readonly text: string;
}

/** Lines around a change that are shown with it. */
const CONTEXT = 2;

/** The table of the comparison grows with the product of both lengths: 2 million cells take 8 MB and some 20 ms. */
const MOST_CELLS = 2_000_000;

/**
 * The changed lines, each with two lines around it; a line of `…` where something between was left out. Empty when
 * the texts are the same. Texts that differ in thousands of lines are shown as removed and added whole.
 */
export function lineDiff(before: string, after: string): readonly DiffLine[] {
  return withContext(compare(before.split('\n'), after.split('\n')));
}

function compare(before: readonly string[], after: readonly string[]): DiffLine[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  const most = Math.min(before.length, after.length) - start;
  while (end < most && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  const kept = (lines: readonly string[]): DiffLine[] => lines.map((text) => ({ mark: ' ', text }));
  return [
    ...kept(before.slice(0, start)),
    ...changes(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...kept(before.slice(before.length - end)),
  ];
}

/** By the longest common subsequence. */
function changes(before: readonly string[], after: readonly string[]): DiffLine[] {
  const width = after.length + 1;
  if ((before.length + 1) * width > MOST_CELLS) {
    return [
      ...before.map((text): DiffLine => ({ mark: '-', text })),
      ...after.map((text): DiffLine => ({ mark: '+', text })),
    ];
  }
  // longest[b * width + a]: lines in common of what is left from line b on and from line a on.
  const longest = new Uint32Array((before.length + 1) * width);
  const at = (b: number, a: number) => longest[b * width + a] ?? 0;
  for (let b = before.length - 1; b >= 0; b--) {
    for (let a = after.length - 1; a >= 0; a--) {
      longest[b * width + a] =
        before[b] === after[a] ? at(b + 1, a + 1) + 1 : Math.max(at(b + 1, a), at(b, a + 1));
    }
  }
  const lines: DiffLine[] = [];
  let b = 0;
  let a = 0;
  while (b < before.length || a < after.length) {
    const [old, fresh] = [before[b], after[a]];
    if (old !== undefined && old === fresh) {
      lines.push({ mark: ' ', text: old });
      b++;
      a++;
    } else if (old !== undefined && (fresh === undefined || at(b + 1, a) >= at(b, a + 1))) {
      lines.push({ mark: '-', text: old });
      b++;
    } else {
      lines.push({ mark: '+', text: fresh ?? '' });
      a++;
    }
  }
  return lines;
}

function withContext(lines: readonly DiffLine[]): DiffLine[] {
  const near = (at: number) =>
    lines.slice(Math.max(at - CONTEXT, 0), at + CONTEXT + 1).some(({ mark }) => mark !== ' ');
  const shown: DiffLine[] = [];
  let skipped = false;
  lines.forEach((line, at) => {
    if (!near(at)) {
      skipped = true;
      return;
    }
    if (skipped && shown.length > 0) shown.push({ mark: ' ', text: '…' });
    skipped = false;
    shown.push(line);
  });
  return shown;
}
