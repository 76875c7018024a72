/**
 * Puts observations of both paths together, judges each leg when its window has passed, and judges it anew when
 * something comes late. Results do not depend on the order in which the sources tell, as long as each keeps to its own
 * watermark; nor on how much fits in memory.
 */
import { legOf } from './content.js';
import { type Counts, createCounter, createTallies, type Tally } from './counts.js';
import { createGaps, type Gap } from './gaps.js';
import { type JobCircumstances, legsOfJob } from './job-legs.js';
import type { JudgedLeg } from './leg.js';
import type { Mapping } from './mapping.js';
import { readMatcherState, writeMatcherState } from './matcher-state.js';
import type { Extra, Observation } from './observation.js';
import { reasonKey } from './reason-key.js';
import { createShelf } from './shelf.js';
import { type Spill, scratchSpill } from './spill.js';
import { forgetValues, observe, type Track } from './track.js';
import { pack } from './track-text.js';
import { createWatermarks, type SourcePath, type SourceState } from './watermarks.js';

/** A leg that closed, or was judged anew. */
export type LegChange = {
  /** Names the leg (consumer, job, and which of theirs), the same whenever it changes; without control characters. */
  readonly key: string;
} & (
  | { readonly kind: 'closed'; readonly leg: JudgedLeg; readonly reason: string }
  /** Something came late: it counts as `leg` now, and no longer as it did before. */
  | {
      readonly kind: 'reclassified';
      readonly leg: JudgedLeg;
      readonly reason: string;
      readonly before: Tally;
    }
  /** Something came late that shows it was part of another leg. */
  | { readonly kind: 'withdrawn'; readonly job: string; readonly before: Tally }
);

export interface MatcherOptions {
  readonly mapping: Mapping;
  /** Every source by name, and which path it tells of. A leg closes when the slowest has passed its window. */
  readonly sources: { readonly [name: string]: SourcePath };
  /** How long a leg waits, in milliseconds. Asked anew whenever the watermark moves. */
  readonly windowMs: () => number;
  /** An event that comes later than its callback by more than this counts against latency. Default: none does. */
  readonly budgetMs?: number;
  /** How long closed legs are remembered, in milliseconds; never less than the window. Default one hour. */
  readonly rememberMs?: number;
  /** Consumers that report what they consume: an event that they do not report did not arrive. */
  readonly reporting?: readonly string[];
  /** Legs kept in memory, closed ones that are remembered among them; the others are on disk. Default 20,000. */
  readonly memoryLimit?: number;
  /**
   * Where legs go that memory has no room for, and what a run continues from. Default: a temporary file, made when it is
   * needed. Closed with the matcher.
   */
  readonly spill?: Spill;
  /** Told of every leg that closes, matches too, in order of time. */
  readonly onLeg?: (change: LegChange) => void;
}

export interface Matcher {
  /** An observation of a source that is not behind its watermark; one that is, counts as late. Throws `storage`. */
  add(observation: Observation): void;
  addExtra(extra: Extra): void;
  /** Index of a leg that an event reached without being compared. */
  addLeftOut(leg: number): void;
  /** The source has told everything up to then, in milliseconds since 1970. Never moves back. Throws `storage`. */
  advance(source: string, watermark: number): void;
  /** The source may have missed something. Must come before its watermark passes `from`. `to` null while it lasts. */
  gap(source: string, from: number, to: number | null): void;
  /** Exact at any moment. Looks at every open leg. */
  counts(): Counts;
  sources(): readonly SourceState[];
  gaps(): readonly Gap[];
  /** What `checkpoint` was given when this spill was last committed. */
  readonly note: string | undefined;
  /** Makes everything so far last, with a note of the caller's: where its sources stand, say. */
  checkpoint(note: string): void;
  /** What is open stays open; what was not checkpointed is gone. Idempotent. */
  close(): void;
}

/** Of 100,000 the heap takes 480 MB where all of them are open, of these 220 MB, and it is as fast. */
export const DEFAULT_MEMORY_LIMIT = 20_000;
const HOUR_MS = 3_600_000;

/** Throws `usage` when the spill is of another mapping. */
export function createMatcher(options: MatcherOptions): Matcher {
  const { mapping, windowMs: askWindow, budgetMs = Number.POSITIVE_INFINITY, rememberMs = HOUR_MS } = options;
  const stored = readMatcherState(options.spill?.readState(), mapping);
  const counter = createCounter(mapping, stored?.counts);
  const watermarks = createWatermarks(options.sources, stored?.watermarks);
  const gaps = createGaps(options.sources, stored?.gaps);
  const tallyOf = createTallies(budgetMs, gaps.covers);
  const begunSince = new Map<string, number>(stored?.begunSince);
  const reporting = new Set(options.reporting);
  const shelf = createShelf({
    mapping,
    memoryLimit: Math.ceil((options.memoryLimit ?? DEFAULT_MEMORY_LIMIT) / legsPerTrack(mapping)),
    openSpill: scratchSpill,
    spill: options.spill,
    nextSeq: stored?.nextSeq ?? 1,
  });
  let windowMs = askWindow();
  /** That of the track in hand. */
  let ownWindowMs = windowMs;
  let forgottenAt = Number.NEGATIVE_INFINITY;

  const circumstances: JobCircumstances = {
    mapping,
    get windowMs() {
      return ownWindowMs;
    },
    inGap: gaps.covers,
    reports: (consumer) => reporting.has(consumer),
    begunSince: (consumer) => begunSince.get(consumer) ?? Number.POSITIVE_INFINITY,
  };

  /** Judges what is due, counts what changed, and says when to look again. */
  const review = (track: Track) => {
    const low = watermarks.low();
    ownWindowMs = track.windowMs ?? windowMs;
    const legs = legsOfJob(track.observations, circumstances);
    const tallies: Tally[] = [];
    let due = Number.POSITIVE_INFINITY;
    let inOrder = true;
    for (const leg of legs) {
      if (leg.closesAt > low) {
        due = Math.min(due, leg.closesAt);
        continue;
      }
      const judged = leg.judge();
      if (judged.outcome !== 'match') inOrder = false;
      tallies.push(count(track, leg.key, judged));
    }
    for (const before of track.tallies) {
      if (tallies.some(({ key }) => key === before.key)) continue;
      counter.remove(before);
      options.onLeg?.({ kind: 'withdrawn', key: legKey(track, before.key), job: track.job, before });
    }
    track.tallies = tallies;
    if (tallies.length > 0) track.windowMs = ownWindowMs;
    track.open = due !== Number.POSITIVE_INFINITY;
    if (!track.open) {
      due = lastOf(track) + ownWindowMs + Math.max(ownWindowMs, rememberMs);
      if (inOrder) forgetValues(track);
    }
    track.due = due;
    shelf.place(track);
    if (!track.open && shelf.isCrowded()) pack(track, mapping);
  };

  const count = (track: Track, key: string, judged: JudgedLeg): Tally => {
    const before = track.tallies.find((tally) => tally.key === key);
    const reason = reasonKey(judged.details);
    const now = tallyOf(key, judged, reason);
    if (before === undefined) {
      counter.add(now);
      options.onLeg?.({ kind: 'closed', key: legKey(track, key), leg: judged, reason });
    } else if (!isSameTally(before, now)) {
      counter.remove(before);
      counter.add(now);
      options.onLeg?.({ kind: 'reclassified', key: legKey(track, key), leg: judged, reason, before });
    }
    return now;
  };

  const closeDue = (low: number) => {
    for (let track = shelf.firstDue(low); track !== undefined; track = shelf.firstDue(low)) {
      if (track.open) review(track);
      // A closed one was due to be forgotten; one whose legs just closed may be due for that at once.
      if (!track.open && track.due <= low) shelf.remove(track);
    }
    shelf.makeRoom();
    if (low - forgottenAt >= rememberMs / 4) {
      shelf.forget(low);
      forgottenAt = low;
    }
  };

  return {
    note: stored?.note,
    add(one) {
      const leg = legOf(mapping, one);
      if (leg.begins && (one.kind === 'event' || one.kind === 'consumed')) {
        begunSince.set(leg.consumer, Math.min(one.at, circumstances.begunSince(leg.consumer)));
      }
      const low = watermarks.low();
      const known = shelf.find(leg.consumer, one.job);
      const isForgotten = known !== undefined && !known.open && known.due <= low;
      if (isForgotten) shelf.remove(known);
      const track = known === undefined || isForgotten ? shelf.create(leg.consumer, one.job) : known;
      observe(track, one);
      const closesAt = one.at + windowMs;
      if (track.observations.length === 1 && closesAt > low) {
        track.due = closesAt;
        shelf.place(track);
      } else if (closesAt <= low || track.tallies.length > 0) {
        review(track);
      } else if (closesAt < track.due) {
        track.due = closesAt;
        shelf.place(track);
      }
      shelf.makeRoom();
    },
    addLeftOut: counter.addLeftOut,
    addExtra: ({ reason, what, source, line }) => counter.addExtra({ reason, what, source, line }),
    advance(source, watermark) {
      const before = watermarks.low();
      watermarks.advance(source, watermark);
      const low = watermarks.low();
      if (low <= before) return;
      windowMs = askWindow();
      closeDue(low);
    },
    gap: gaps.add,
    counts() {
      const pending = mapping.legs.map(() => 0);
      const low = watermarks.low();
      for (const track of shelf.eachOpen()) {
        ownWindowMs = track.windowMs ?? windowMs;
        for (const leg of legsOfJob(track.observations, circumstances)) {
          if (leg.closesAt <= low) continue;
          const { leg: index } = leg.judge();
          pending[index] = (pending[index] ?? 0) + 1;
        }
      }
      return counter.counts(pending);
    },
    sources: watermarks.all,
    gaps: gaps.all,
    checkpoint(note) {
      shelf.commit(
        writeMatcherState({
          mapping: mapping.digest,
          note,
          counts: counter.store(),
          watermarks: watermarks.all(),
          gaps: gaps.all(),
          begunSince: [...begunSince],
          nextSeq: shelf.nextSeq(),
        }),
      );
    },
    close: shelf.close,
  };
}

function legKey({ consumer, job }: Track, key: string): string {
  return JSON.stringify([consumer, job, key]);
}

function isSameTally(a: Tally, b: Tally): boolean {
  return (
    a.leg === b.leg &&
    a.outcome === b.outcome &&
    a.evidence === b.evidence &&
    a.bothApplied === b.bothApplied &&
    a.inBudget === b.inBudget &&
    a.reason === b.reason
  );
}

/** A job has one leg per fact at a consumer, in the common case. */
function legsPerTrack(mapping: Mapping): number {
  const perConsumer = mapping.legs.map(
    ({ consumer }) =>
      new Set(mapping.legs.filter((leg) => leg.consumer === consumer).map(({ fact }) => fact)).size,
  );
  return Math.max(1, ...perConsumer);
}

function lastOf({ observations }: Track): number {
  let last = Number.NEGATIVE_INFINITY;
  for (const { at } of observations) if (at > last) last = at;
  return last;
}
