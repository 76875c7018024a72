/** Stretches in which a source may have missed something. */
import type { Gap } from './strata.js';
import type { SourcePath } from './watermarks.js';

export type { Gap } from './strata.js';

/** Gaps told apart per source; beyond, the oldest are joined, which only says less of the time between them. */
const MOST_GAPS = 1_000;

export function createGaps(sources: { readonly [name: string]: SourcePath }, stored: readonly Gap[] = []) {
  const gaps: Gap[] = [...stored];
  return {
    /** A gap that lasts is replaced by the one that says when it ended. */
    add(source: string, from: number, to: number | null): void {
      const open = gaps.findIndex((gap) => gap.source === source && gap.from === from && gap.to === null);
      if (open === -1) gaps.push({ source, from, to });
      else gaps[open] = { source, from, to };
      const own = gaps.filter((gap) => gap.source === source);
      const [first, second] = own;
      if (own.length <= MOST_GAPS || first === undefined || second === undefined) return;
      gaps.splice(gaps.indexOf(second), 1);
      const ends = first.to === null || second.to === null ? null : Math.max(first.to, second.to);
      gaps[gaps.indexOf(first)] = { source, from: Math.min(first.from, second.from), to: ends };
    },
    covers(path: 'callback' | 'event', from: number, to: number): boolean {
      return gaps.some(
        (gap) => sources[gap.source] === path && gap.from <= to && (gap.to === null || gap.to >= from),
      );
    },
    all: (): readonly Gap[] => [...gaps],
  };
}
