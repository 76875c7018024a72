/** Collects what a summary tells beside the counts, from the changes of legs. Its memory does not grow with the run. */
import { z } from 'zod';
import { EventsError } from '../core/errors.js';
import { explain } from './explain.js';
import { createFindings, findingsJson } from './findings.js';
import { type LatencySketch, latencyJson, latencySketch } from './latency.js';
import type { Mapping } from './mapping.js';
import type { LegChange } from './matcher.js';
import type { LegRow, RunSummary } from './run-summary.js';
import { createTimeline, timelineJson } from './timeline.js';
import { type UnmappedCounter, unmappedCounter, unmappedJson } from './unmapped.js';
import { shortText } from './values.js';

export interface Account {
  take(change: LegChange): void;
  /** So many observations were made then. Milliseconds since 1970. */
  observed(count: number, at: number): void;
  readonly unmapped: UnmappedCounter;
  /** Time between the two paths, all legs together: what the window follows. What comes after its leg closed does not move it. */
  readonly lags: LatencySketch;
  summary(
    known: Pick<RunSummary, 'counts' | 'gaps' | 'sources' | 'doubts' | 'windowMs' | 'budgetMs' | 'skew'>,
  ): RunSummary;
  /** JSON from which `createAccount(mapping, stored)` goes on after a restart. */
  store(): unknown;
}

const storedJson = z.object({
  observations: z.int().nonnegative(),
  from: z.number().nullable(),
  to: z.number().nullable(),
  findings: findingsJson,
  unmapped: unmappedJson,
  lags: latencyJson,
  /** By the place of the leg in the mapping. */
  latencies: z.array(z.object({ callback: latencyJson, lag: latencyJson })),
  timeline: timelineJson,
});
type Stored = z.infer<typeof storedJson>;

/** `stored` is what `store` gave under the same mapping. Throws EventsError `storage` for anything else. */
export function createAccount(mapping: Mapping, stored?: unknown): Account {
  const known = stored === undefined ? undefined : readStored(stored);
  const findings = createFindings(mapping, known?.findings);
  const unmapped = unmappedCounter(known?.unmapped);
  const timeline = createTimeline(known?.timeline);
  const lags = latencySketch(known?.lags);
  const latencies = mapping.legs.map((_, index) => ({
    callback: latencySketch(known?.latencies[index]?.callback),
    lag: latencySketch(known?.latencies[index]?.lag),
  }));
  let observations = known?.observations ?? 0;
  let from = known?.from ?? Number.POSITIVE_INFINITY;
  let to = known?.to ?? Number.NEGATIVE_INFINITY;
  let latest = { job: '', at: 0 };

  /** A sketch takes nothing back, so a time is added when it is first known and then stays. */
  const addTimes = (change: Exclude<LegChange, { kind: 'withdrawn' }>) => {
    const own = latencies[change.leg.leg];
    const { lagMs, callbackMs } = change.leg;
    const before = change.kind === 'reclassified' ? change.before : undefined;
    const knewLag = before !== undefined && before.inBudget !== null;
    if (lagMs !== null && !knewLag) own?.lag.add(lagMs);
    if (lagMs !== null && before === undefined) lags.add(lagMs);
    const knewCallback = knewLag || before?.outcome === 'missingEvent';
    if (callbackMs !== null && !knewCallback) own?.callback.add(callbackMs);
  };

  return {
    unmapped,
    lags,
    take(change) {
      findings.take(change);
      if (change.kind === 'withdrawn') {
        // Of the leg that it turned out to be part of one hears just before; else any of about now.
        timeline.remove(change.job === latest.job ? latest.at : to, change.before.outcome);
        return;
      }
      const { firstAt, job, outcome } = change.leg;
      if (change.kind === 'reclassified') timeline.remove(firstAt, change.before.outcome);
      timeline.add(firstAt, outcome);
      addTimes(change);
      latest = { job, at: firstAt };
    },
    observed(count, at) {
      observations += count;
      if (at < from) from = at;
      if (at > to) to = at;
    },
    summary: (rest) => ({
      ...rest,
      findings: findings.all(),
      unmapped: unmapped.all(),
      observations,
      ...span(from, to),
      latencies: mapping.legs.flatMap(({ route, eventType, consumer }, index) => {
        const own = latencies[index];
        if (route === undefined || own === undefined) return [];
        return [{ eventType, consumer, callback: own.callback.toJSON(), lag: own.lag.toJSON() }];
      }),
      timeline: timeline.toJSON(),
    }),
    store: () => ({
      observations,
      ...span(from, to),
      findings: findings.store(),
      unmapped: unmapped.all(),
      lags: lags.toJSON(),
      latencies: latencies.map(({ callback, lag }) => ({ callback: callback.toJSON(), lag: lag.toJSON() })),
      timeline: timeline.toJSON(),
    }),
  };
}

function span(from: number, to: number): { from: number | null; to: number | null } {
  return from > to ? { from: null, to: null } : { from, to };
}

function readStored(stored: unknown): Stored {
  const parsed = storedJson.safeParse(stored);
  if (parsed.success) return parsed.data;
  throw new EventsError('storage', 'What was stored of the shadow run cannot be read', {
    cause: parsed.error,
    hint: 'The file may be of another version of atma-events: start a new run (another --store).',
  });
}

/** The leg for lists; undefined for a match, or for one that is none any more. */
export function legRow(mapping: Mapping, change: LegChange): LegRow | undefined {
  if (change.kind === 'withdrawn') return undefined;
  const { leg: index, outcome, evidence, details, job, attempt, firstAt, lines } = change.leg;
  const leg = mapping.legs[index];
  if (outcome === 'match' || details === undefined || leg === undefined) return undefined;
  const { says, fix } = explain(mapping, index, details);
  return {
    key: change.key,
    at: firstAt,
    eventType: leg.eventType,
    consumer: leg.consumer,
    job: shortText(job),
    attempt,
    outcome,
    evidence,
    says,
    todo: fix,
    ...(details.kind === 'mismatch' && { fields: details.fields }),
    lines,
  };
}
