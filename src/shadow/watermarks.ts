/** Up to when each source is known to have told everything. */
import { EventsError } from '../core/errors.js';

/** Which path a source tells of: the callbacks, the events, or the consumers' own reports. */
export type SourcePath = 'callback' | 'event' | 'report';

export interface SourceState {
  readonly source: string;
  /** Milliseconds since 1970; null before it told anything. */
  readonly watermark: number | null;
}

export function createWatermarks(
  sources: { readonly [name: string]: SourcePath },
  stored: readonly SourceState[] = [],
) {
  const marks = new Map(Object.keys(sources).map((source) => [source, Number.NEGATIVE_INFINITY]));
  if (marks.size === 0) throw new EventsError('usage', 'a matcher needs at least one source');
  for (const { source, watermark } of stored) {
    if (watermark !== null && marks.has(source)) marks.set(source, watermark);
  }
  let low = Math.min(...marks.values());
  return {
    advance(source: string, watermark: number): void {
      const before = marks.get(source);
      if (before === undefined) throw new EventsError('usage', `no source "${source}" was announced`);
      if (!(watermark > before)) return;
      marks.set(source, watermark);
      if (before === low) low = Math.min(...marks.values());
    },
    /** That of the slowest source. */
    low: () => low,
    all: (): SourceState[] =>
      [...marks].map(([source, mark]) => ({
        source,
        watermark: mark === Number.NEGATIVE_INFINITY ? null : mark,
      })),
  };
}
