/**
 * Compares a file of callbacks with a file of events, of any size: both are read once, side by side in order of time,
 * and only what is open or was closed lately is in memory.
 */
import type { ShadowMapping } from '../core/shadow-mapping.js';
import type { Topology } from '../core/topology/model.js';
import { createAccount, legRow } from './account.js';
import { callbackLines } from './callback-source.js';
import type { Counts } from './counts.js';
import { type Coverage, createFeed, type Disorder, type Feed, type LineError } from './feed.js';
import type { Finding } from './findings.js';
import { latencySketch } from './latency.js';
import { OUTCOMES } from './leg.js';
import { compileMapping } from './mapping.js';
import { createMatcher, type LegChange } from './matcher.js';
import type { Observed } from './observation.js';
import { observeCallback, readCallback } from './observe-callback.js';
import { observeEvent, readEvent } from './observe-event.js';
import type { LegRow, RunSummary, SourceSummary } from './run-summary.js';
import { type SkewEstimate, skewSideBySide } from './skew.js';
import type { Gap } from './strata.js';
import type { UnmappedField } from './unmapped.js';
import type { SourcePath } from './watermarks.js';
import { matchWindowMs, SHORTEST_WINDOW_MS } from './window.js';

export interface CompareOptions {
  readonly mapping: ShadowMapping;
  /** Which consumers an event reaches follows from its bindings. */
  readonly topology: Topology;
  /** Bytes of the two files; the callbacks may be a HAR. A rejection of either ends the comparison with it. */
  readonly callbacks: AsyncIterable<Uint8Array>;
  readonly events: AsyncIterable<Uint8Array>;
  /** What people call the two files. Default: callbacks, events. */
  readonly names?: { readonly callbacks: string; readonly events: string };
  /** How long a leg waits, in milliseconds; asked as the time in the files moves on. Default: by `window.ts`. */
  readonly windowMs?: () => number;
  readonly budgetMs?: number;
  /** How long closed legs are remembered, in milliseconds. Default one hour. */
  readonly rememberMs?: number;
  /** How much older than the newest line before it a line may be, in milliseconds. Default 60 s. */
  readonly disorderMs?: number;
  /** Legs in memory. Default: that of the matcher. */
  readonly memoryLimit?: number;
  readonly onLeg?: (change: LegChange) => void;
  /** Told after each chunk. */
  readonly onProgress?: (progress: CompareProgress) => void;
  /** Ends the comparison: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface CompareProgress {
  readonly bytes: number;
  readonly observations: number;
}

export interface Comparison {
  readonly counts: Counts;
  /** What is not in order, by cause, bad ones first. */
  readonly findings: readonly Finding[];
  /** Fields that the mapping neither compares nor ignores. */
  readonly unmapped: readonly UnmappedField[];
  /** One per callback, and one per consumer that an event reaches. */
  readonly observations: number;
  readonly coverage: { readonly callbacks: Coverage; readonly events: Coverage };
  /** Lines that could not be read: how many, and the first of them. */
  readonly unreadable: number;
  readonly errors: readonly LineError[];
  readonly disorder: readonly Disorder[];
  /** Gaps that the files tell of, and where lines could not be read. Any of them forbids SAFE. */
  readonly gaps: readonly Gap[];
  /** Why nothing can be said for certain, in words; empty when something can. */
  readonly doubts: readonly string[];
  /** All that the verdict and the reports need. */
  readonly summary: RunSummary;
  /** Legs that did not match, the first of them in order of time, and how many there are. */
  readonly legRows: readonly LegRow[];
  readonly legCount: number;
}

/** Times between the two paths after which, and each time again, the window is set by them. */
const ENOUGH_LAGS = 1_000;
const DEFAULT_DISORDER_MS = 60_000;
const HOUR_MS = 3_600_000;
const ERRORS_KEPT = 20;
/** Legs that did not match: enough to look through, few enough for any memory. */
const ROWS_KEPT = 1_000;
/** Records between two looks at the watermarks. */
const STRIDE = 256;

/** Names of the two sources. */
export const CALLBACKS = 'callbacks';
export const EVENTS = 'events';

/** Throws `config-invalid` for a mapping that cannot be used, `storage` when the disk is needed and full. */
export async function compareRecords(options: CompareOptions): Promise<Comparison> {
  const { disorderMs = DEFAULT_DISORDER_MS, rememberMs = HOUR_MS } = options;
  const mapping = compileMapping(options.mapping, options.topology);
  const account = createAccount(mapping);
  const { lags, unmapped } = account;
  const rows = new Map<string, LegRow>();
  const errors: LineError[] = [];
  let unreadable = 0;
  let observations = 0;
  let windowMs = SHORTEST_WINDOW_MS;
  let learntFrom = 0;
  const askWindow = options.windowMs ?? (() => windowMs);
  const takeLeg = (change: LegChange) => {
    account.take(change);
    // Of fewer, p99.9 is the longest one: a single late event would set the window for all.
    if (lags.count - learntFrom >= ENOUGH_LAGS) {
      learntFrom = lags.count;
      windowMs = matchWindowMs(lags);
    }
    keepRow(change);
    options.onLeg?.(change);
  };
  const keepRow = (change: LegChange) => {
    const isKept = change.kind !== 'closed' && rows.has(change.key);
    const wanted = isKept || rows.size < ROWS_KEPT;
    const row = wanted ? legRow(mapping, change) : undefined;
    if (row) rows.set(change.key, row);
    else if (isKept) rows.delete(change.key);
  };
  const matcher = createMatcher({
    mapping,
    sources: { [CALLBACKS]: 'callback', [EVENTS]: 'event' },
    windowMs: askWindow,
    rememberMs,
    ...(options.budgetMs !== undefined && { budgetMs: options.budgetMs }),
    ...(options.memoryLimit !== undefined && { memoryLimit: options.memoryLimit }),
    onLeg: takeLeg,
  });
  const feedOf = <T>(
    file: string,
    stream: AsyncIterable<Uint8Array>,
    parse: (value: unknown) => T & { atMs: number },
  ) =>
    createFeed({
      file,
      stream,
      parse,
      disorderMs,
      onError(error) {
        unreadable++;
        if (errors.length < ERRORS_KEPT) errors.push(error);
      },
      onGap: ({ from, to }) => matcher.gap(file, from, to),
    });
  const callbacks = feedOf(CALLBACKS, callbackLines(options.callbacks), readCallback);
  const events = feedOf(EVENTS, options.events, readEvent);

  const take = (observed: Observed, at: number) => {
    for (const each of observed.observations) matcher.add(each);
    for (const each of observed.extra) matcher.addExtra(each);
    for (const leg of observed.leftOut ?? []) matcher.addLeftOut(leg);
    const count = observed.observations.length + observed.extra.length;
    observations += count;
    account.observed(count, at);
  };
  const takeOldest = (): boolean => {
    const callback = callbacks.head();
    const event = events.head();
    if (callback === undefined && !callbacks.ended()) return false;
    if (event === undefined && !events.ended()) return false;
    if (callback !== undefined && (event === undefined || callback.at <= event.at)) {
      callbacks.shift();
      take(observeCallback(mapping, callback.record, CALLBACKS, callback.line, unmapped), callback.at);
      return true;
    }
    if (event === undefined) return false;
    events.shift();
    take(observeEvent(mapping, event.record, EVENTS, event.line, unmapped), event.at);
    return true;
  };
  const advance = () => {
    for (const feed of [callbacks, events]) matcher.advance(feed.file, feed.watermark());
  };

  try {
    for (;;) {
      options.signal?.throwIfAborted();
      for (let taken = 0; takeOldest(); ) if (++taken % STRIDE === 0) advance();
      advance();
      options.onProgress?.({ bytes: callbacks.bytes() + events.bytes(), observations });
      if (callbacks.ended() && events.ended()) break;
      await readOn(callbacks);
      await readOn(events);
    }
    const disorder = [callbacks.disorder(), events.disorder()].filter((each) => each !== undefined);
    const coverage = { callbacks: callbacks.coverage(), events: events.coverage() };
    const known = account.summary({
      counts: matcher.counts(),
      gaps: matcher.gaps(),
      sources: [
        sourceOf(CALLBACKS, 'callback', coverage.callbacks),
        sourceOf(EVENTS, 'event', coverage.events),
      ],
      doubts: doubtsOf(unreadable, errors, disorder, disorderMs + rememberMs, options.names),
      windowMs: Math.round(askWindow()),
      budgetMs: options.budgetMs ?? null,
      skew: null,
    });
    const summary: RunSummary = { ...known, skew: skewOf(known) };
    const { counts, findings, gaps, doubts } = summary;
    return {
      ...{ counts, findings, unmapped: summary.unmapped, observations, gaps, doubts },
      ...{ coverage, unreadable, errors, disorder, summary },
      legRows: [...rows.values()].sort((a, b) => a.at - b.at),
      legCount: OUTCOMES.reduce((sum, each) => sum + (each === 'match' ? 0 : counts.totals[each]), 0),
    };
  } finally {
    matcher.close();
    await Promise.all([callbacks.close(), events.close()]);
  }
}

/** A file that was read to its end does not stall. */
function sourceOf(source: string, path: SourcePath, { to }: Coverage): SourceSummary {
  return { source, path, watermark: to, stalledSince: null };
}

/** Nearer than this, the median between the two paths is the way of an event, and tells nothing of clocks. Milliseconds. */
const LEAST_SKEW_MS = 1_000;

/** Nobody knows whether two files were written on one host. */
function skewOf({ latencies }: RunSummary): SkewEstimate | null {
  const lags = latencySketch();
  for (const { lag } of latencies) lags.merge(latencySketch(lag));
  if (Math.abs(lags.quantile(0.5) ?? 0) < LEAST_SKEW_MS) return null;
  return skewSideBySide(lags);
}

async function readOn<T>(feed: Feed<T>): Promise<void> {
  if (feed.head() === undefined && !feed.ended()) await feed.read();
}

function doubtsOf(
  unreadable: number,
  errors: readonly LineError[],
  disorder: readonly Disorder[],
  bearableMs: number,
  names = { callbacks: CALLBACKS, events: EVENTS },
): string[] {
  const [first] = errors;
  const nameOf = (file: string) => (file === EVENTS ? names.events : names.callbacks);
  return [
    ...(first === undefined
      ? []
      : [
          `${unreadable.toLocaleString('en-US')} line${unreadable === 1 ? '' : 's'} could not be read, the first in ${nameOf(first.file)}, line ${first.line}: ${first.problem}. What they would have told is missing: mend or remove them, and compare again.`,
        ]),
    // Less than that is put right by judging the leg anew.
    ...disorder
      .filter(({ worstMs }) => worstMs > bearableMs)
      .map(
        ({ file, firstLine, worstMs }) =>
          `${nameOf(file)} is not in order of time (from line ${firstLine} on, by up to ${Math.round(worstMs / 1000).toLocaleString('en-US')} s): what belongs together may have been counted apart. Sort the file by time, and compare again.`,
      ),
  ];
}
