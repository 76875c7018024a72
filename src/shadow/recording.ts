/**
 * A live run: what its sources tell goes to the matcher, and what comes of it to the store, all of it durable with each
 * checkpoint. Any error of the store ends the recording: what was not saved is gone, and the next one on the same store
 * goes on from the last checkpoint, with a gap from there.
 */
import { EventsError, isEventsError } from '../core/errors.js';
import { parseJson } from '../core/events/json.js';
import type { ShadowMapping } from '../core/shadow-mapping.js';
import type { Topology } from '../core/topology/model.js';
import { createAccount, legRow } from './account.js';
import { compileMapping } from './mapping.js';
import { createMatcher } from './matcher.js';
import type { Observed } from './observation.js';
import { observeCallback, readCallback } from './observe-callback.js';
import { observeEvent, readEvent } from './observe-event.js';
import { type FlagSeen, flagsOf, parseNote, type RunNote } from './read-run.js';
import type { FilePlaces, RunItem } from './run-item.js';
import { openRunStore } from './run-store.js';
import type { RunSummary } from './run-summary.js';
import { readSkew, type SkewJson, skew } from './skew.js';
import { createSourceStates } from './source-states.js';
import type { SourcePath } from './watermarks.js';
import { matchWindowMs, SHORTEST_WINDOW_MS } from './window.js';

/** Plain data: it goes to a thread of its own. */
export interface RecordingOptions {
  /** Of the store. */
  readonly path: string;
  readonly mapping: ShadowMapping;
  readonly topology: Topology;
  readonly sources: { readonly [name: string]: SourcePath };
  /** Sources among them that are files. What happened before the run began is passed over. */
  readonly files?: readonly string[];
  /** How long a leg waits, in milliseconds. Default: by `window.ts`. */
  readonly windowMs?: number;
  readonly budgetMs?: number;
  /** Consumers that report everything that they consume. */
  readonly reporting?: readonly string[];
  /** Legs in memory. Default: that of the matcher. */
  readonly memoryLimit?: number;
}

export interface Recording {
  /** Throws `storage`; the recording must then be closed. */
  take(item: RunItem, now: number): void;
  /** Makes everything so far last. Throws `storage`; the recording must then be closed. */
  checkpoint(now: number, ended: boolean): RunSummary;
  /** How far each file was taken. */
  places(): FilePlaces;
  /** What was not checkpointed is gone. Idempotent. */
  close(): void;
}

/** Times between the two paths after which, and each time again, the window is set by them. */
const ENOUGH_LAGS = 1_000;
const MOST_DOUBTS = 20;
/** A rollout has a dozen steps. */
const MOST_FLAGS = 200;

/**
 * Opens or creates the store and goes on from what it holds. Throws `usage` when another process records into it or it
 * was begun with another mapping, `config-invalid` for a mapping that cannot be used, `storage`.
 */
export function openRecording(options: RecordingOptions, now: number): Recording {
  const mapping = compileMapping(options.mapping, options.topology);
  const store = openRunStore(options.path);
  try {
    return recordingIn(store, mapping, options, now);
  } catch (error) {
    store.close();
    throw error;
  }
}

function recordingIn(
  store: ReturnType<typeof openRunStore>,
  mapping: ReturnType<typeof compileMapping>,
  options: RecordingOptions,
  now: number,
): Recording {
  // The matcher asks while it is made, before there is an account to learn from.
  let windowMs = () => options.windowMs ?? SHORTEST_WINDOW_MS;
  const matcher = createMatcher({
    mapping,
    sources: options.sources,
    windowMs: () => windowMs(),
    ...(options.budgetMs !== undefined && { budgetMs: options.budgetMs }),
    ...(options.reporting !== undefined && { reporting: options.reporting }),
    ...(options.memoryLimit !== undefined && { memoryLimit: options.memoryLimit }),
    spill: store.spill,
    onLeg(change) {
      account.take(change);
      const row = legRow(mapping, change);
      if (row !== undefined) store.putLeg(row);
      else if (change.kind !== 'closed') store.removeLeg(change.key);
    },
  });
  const note: RunNote | undefined =
    matcher.note === undefined ? undefined : parseNote(options.path, matcher.note);
  const account = createAccount(mapping, note?.account);
  const clocks = note?.skew == null ? skew() : readSkew(note.skew);
  const startedAt = note?.startedAt ?? now;
  const doubts = [...(note?.summary.doubts ?? [])];
  const places = new Map(Object.entries(note?.places ?? {}));
  const states = createSourceStates(options.sources, matcher, startedAt, options.files);
  const flags: FlagSeen[] = note === undefined ? [] : [...flagsOf(note)];
  let lines = note?.lines ?? 0;
  let learntFrom = 0;
  let learntMs = SHORTEST_WINDOW_MS;

  windowMs = () => {
    if (options.windowMs !== undefined) return options.windowMs;
    // Of fewer, p99.9 is the longest one: a single late event would set the window for all.
    if (account.lags.count - learntFrom >= ENOUGH_LAGS) {
      learntFrom = account.lags.count;
      learntMs = matchWindowMs(account.lags);
    }
    return learntMs;
  };
  const doubt = (text: string) => {
    if (doubts.length < MOST_DOUBTS && !doubts.includes(text)) doubts.push(text);
  };
  const keep = (at: number, { observations, extra, leftOut = [] }: Observed) => {
    for (const each of observations) matcher.add(each);
    for (const each of extra) matcher.addExtra(each);
    for (const leg of leftOut) matcher.addLeftOut(leg);
    account.observed(observations.length + extra.length, at);
  };
  /** `since`: what happened earlier is none of the run's. */
  const observe = (holds: 'callback' | 'event', source: string, text: string, since = 0, sentAt?: number) => {
    const line = ++lines;
    const value = parsedLine(text);
    if (holds === 'callback') {
      const record = readCallback(value);
      if (record.atMs < since) return;
      keep(record.atMs, observeCallback(mapping, record, source, line, account.unmapped));
      return;
    }
    const record = readEvent(value);
    if (record.atMs < since) return;
    if (sentAt !== undefined) clocks.leftThere(sentAt, record.atMs);
    keep(record.atMs, observeEvent(mapping, record, source, line, account.unmapped));
  };
  const noteFlag = ({ hash, at }: FlagSeen) => {
    if (flags.length < MOST_FLAGS) flags.push({ hash, at });
    else
      doubt(`The flag file changed more than ${MOST_FLAGS} times: nobody can say what this run was about.`);
  };
  /** A line that cannot be read is a gap. */
  const reading = (source: string, at: number, read: () => void) => {
    try {
      read();
    } catch (error) {
      if (!isEventsError(error, 'input-invalid')) throw error;
      doubt(`A line of ${source} could not be read: ${error.message}`);
      states.missed(source, at);
    }
  };
  const summary = (at: number): RunSummary =>
    account.summary({
      counts: matcher.counts(),
      gaps: states.gaps(),
      sources: states.all(at),
      doubts,
      windowMs: windowMs(),
      budgetMs: options.budgetMs ?? null,
      skew: clocks.estimate().basis === 'none' ? null : clocks.estimate(),
    });

  return {
    take(item, at) {
      switch (item.kind) {
        case 'callback':
          reading(item.source, at, () => observe('callback', item.source, item.line));
          break;
        case 'event':
          reading(item.source, at, () => observe('event', item.source, item.line, 0, item.sentAt));
          break;
        case 'file':
          for (const line of item.text.split('\n')) {
            if (line === '') continue;
            reading(item.source, at, () => observe(item.holds, item.source, line, startedAt));
          }
          places.set(item.source, item.place);
          if (item.upTo !== null) states.advance(item.source, item.upTo);
          break;
        case 'watermark':
          states.advance(item.source, item.at);
          break;
        case 'up':
          states.up(item.source, item.at);
          break;
        case 'down':
          states.down(item.source, item.at);
          break;
        case 'gap':
          matcher.gap(item.source, item.from, item.to);
          break;
        case 'flag':
          if (flags.length === 0 || flags.at(-1)?.hash !== item.hash) noteFlag(item);
          break;
        case 'doubt':
          doubt(item.text);
      }
    },
    checkpoint(at, ended) {
      const told = summary(at);
      const saved: RunNote = {
        startedAt,
        savedAt: at,
        ended,
        summary: told,
        account: account.store(),
        skew: clocks.toJSON() satisfies SkewJson,
        lines,
        places: Object.fromEntries(places),
        flags,
      };
      matcher.checkpoint(JSON.stringify(saved));
      return told;
    },
    places: () => Object.fromEntries(places),
    close: () => matcher.close(),
  };
}

function parsedLine(line: string): unknown {
  const parsed = parseJson(line);
  if ('value' in parsed) return parsed.value;
  throw new EventsError('input-invalid', `not JSON: ${parsed.problem}`);
}
