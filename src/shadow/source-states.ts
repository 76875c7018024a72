/** Which sources of a live run tell everything at present, and since when the others do not. */
import type { Matcher } from './matcher.js';
import type { RunSummary, SourceSummary } from './run-summary.js';
import type { Gap } from './strata.js';
import type { SourcePath } from './watermarks.js';

export interface SourceStates {
  up(source: string, at: number): void;
  down(source: string, at: number): void;
  advance(source: string, watermark: number): void;
  /** Something of it was lost by now. */
  missed(source: string, at: number): void;
  all(now: number): SourceSummary[];
  /** Those within the run. */
  gaps(): Gap[];
}

/**
 * The time before a source was up for the first time. It excuses a leg whose other half fell into it, and is no gap of
 * the run: every run has a beginning.
 */
const BEFORE = 0;
/** A source that is up and tells nothing for so long has stalled. Milliseconds. */
const STALL_MS = 30_000;

/**
 * Of a run that goes on: every source has been down since what the store last knows of it. Files keep what happens
 * while nobody reads them: they stall, and have no gap for it.
 */
export function createSourceStates(
  sources: { readonly [name: string]: SourcePath },
  matcher: Pick<Matcher, 'advance' | 'gap' | 'gaps' | 'sources'>,
  startedAt: number,
  files: readonly string[] = [],
): SourceStates {
  const gap: Matcher['gap'] = (source, from, to) => {
    if (!files.includes(source)) matcher.gap(source, from, to);
  };
  const downSince = new Map<string, number>();
  for (const { source, watermark } of matcher.sources()) {
    const open = matcher.gaps().find((gap) => gap.source === source && gap.to === null);
    const since = open?.from ?? watermark ?? BEFORE;
    gap(source, since, null);
    downSince.set(source, since);
  }
  const watermarkOf = (source: string) =>
    matcher.sources().find((each) => each.source === source)?.watermark ?? null;

  return {
    up(source, at) {
      const since = downSince.get(source);
      if (since === undefined) return;
      gap(source, since, Math.max(since, at));
      downSince.delete(source);
    },
    down(source, at) {
      const since = downSince.get(source);
      if (since !== undefined && since !== BEFORE) return;
      if (since === BEFORE) gap(source, BEFORE, at);
      gap(source, at, null);
      downSince.set(source, at);
    },
    advance(source, watermark) {
      if (!downSince.has(source)) matcher.advance(source, watermark);
    },
    missed(source, at) {
      matcher.gap(source, watermarkOf(source) ?? startedAt, at);
    },
    all: (now): RunSummary['sources'][number][] =>
      matcher.sources().map(({ source, watermark }) => {
        const since = downSince.get(source);
        const still = watermark !== null && now - watermark > STALL_MS ? watermark : null;
        return {
          source,
          path: sources[source] ?? 'report',
          watermark,
          stalledSince: since === undefined ? still : since === BEFORE ? startedAt : since,
        };
      }),
    gaps: () => matcher.gaps().filter(({ from }) => from !== BEFORE),
  };
}
