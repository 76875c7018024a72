/**
 * All tracks, in memory up to a limit and on disk beyond. Which is where changes nothing but the time it takes: what is
 * due comes in the same order from both.
 */
import type { Mapping } from './mapping.js';
import { createSchedule } from './schedule.js';
import type { Spill, SpilledTrack } from './spill.js';
import type { Track } from './track.js';
import { readTrack, trackKey, unpack, writeTrack } from './track-text.js';

export interface ShelfOptions {
  readonly mapping: Mapping;
  /** Tracks kept in memory. */
  readonly memoryLimit: number;
  /** Called when there is need for it. */
  readonly openSpill: () => Spill;
  /** A spill with tracks of before. */
  readonly spill?: Spill | undefined;
  /** The number that the next track gets. */
  readonly nextSeq: number;
}

/** Tracks that come from disk at a time: more would not fit where memory is short. */
const BATCH = 500;
/** Share of memory that is cleared at a time. */
const CLEARED = 0.1;

export function createShelf({ mapping, memoryLimit, openSpill, spill: given, nextSeq }: ShelfOptions) {
  const byConsumer = new Map<string, Map<string, Track>>(
    [...new Set(mapping.legs.map(({ consumer }) => consumer))].map((consumer) => [consumer, new Map()]),
  );
  const schedule = createSchedule<Track>();
  let spill = given;
  let spilledDue = spill?.nextDue() ?? Number.POSITIVE_INFINITY;
  let size = 0;
  let seq = nextSeq;

  const ofConsumer = (consumer: string) => {
    const own = byConsumer.get(consumer);
    if (own === undefined) throw new RangeError(`no consumer "${consumer}" in the mapping`);
    return own;
  };
  const keep = (track: Track) => {
    ofConsumer(track.consumer).set(track.job, track);
    size++;
  };
  const drop = (track: Track) => {
    schedule.remove(track);
    if (ofConsumer(track.consumer).delete(track.job)) size--;
  };
  const load = ({ key, text }: SpilledTrack) => {
    const [consumer = '', job = ''] = JSON.parse(key) as string[];
    const track = readTrack(consumer, job, text);
    keep(track);
    schedule.place(track);
    return track;
  };
  const spillAway = (tracks: readonly Track[]) => {
    spill ??= openSpill();
    spill.put(
      tracks.map((track) => ({
        key: trackKey(track.consumer, track.job),
        due: track.due,
        seq: track.seq,
        open: track.open,
        text: writeTrack(track, mapping),
      })),
    );
    for (const track of tracks) {
      drop(track);
      if (track.open) spilledDue = Math.min(spilledDue, track.due);
    }
  };
  const oldest = (count: number) => {
    const tracks: Track[] = [];
    for (const own of byConsumer.values()) {
      let left = Math.ceil((count * own.size) / Math.max(1, size));
      for (const track of own.values()) {
        if (left-- <= 0) break;
        tracks.push(track);
      }
    }
    return tracks;
  };
  const makeRoom = () => {
    if (size > memoryLimit) spillAway(oldest(size - memoryLimit + memoryLimit * CLEARED));
  };

  return {
    find(consumer: string, job: string): Track | undefined {
      const track = ofConsumer(consumer).get(job);
      if (track !== undefined) unpack(track);
      if (track !== undefined || spill === undefined) return track;
      const spilled = spill.take(trackKey(consumer, job));
      return spilled && load(spilled);
    },
    create(consumer: string, job: string): Track {
      const track: Track = {
        job,
        consumer,
        seq: seq++,
        due: 0,
        slot: -1,
        open: true,
        windowMs: undefined,
        packed: undefined,
        observations: [],
        tallies: [],
      };
      keep(track);
      return track;
    },
    place: (track: Track) => schedule.place(track),
    remove: drop,
    firstDue(until: number): Track | undefined {
      for (;;) {
        const first = schedule.first();
        const next = Math.min(first?.due ?? Number.POSITIVE_INFINITY, until);
        if (spill === undefined || spilledDue > next || spilledDue === Number.POSITIVE_INFINITY) {
          return first !== undefined && first.due <= until ? first : undefined;
        }
        makeRoom();
        for (const spilled of spill.takeDue(next, BATCH)) load(spilled);
        spilledDue = spill.nextDue();
      }
    },
    makeRoom,
    /** Memory is filling up: what is small stays longer. */
    isCrowded: () => size > memoryLimit / 2,
    *eachOpen(): Iterable<Track> {
      for (const own of byConsumer.values()) {
        for (const track of own.values()) if (track.open) yield track;
      }
      for (const { key, text } of spill?.eachOpen() ?? []) {
        const [consumer = '', job = ''] = JSON.parse(key) as string[];
        yield readTrack(consumer, job, text);
      }
    },
    forget: (until: number) => spill?.forget(until),
    nextSeq: () => seq,
    commit(state: string): void {
      spillAway([...byConsumer.values()].flatMap((own) => [...own.values()]));
      spill?.writeState(state);
      spill?.commit();
    },
    close(): void {
      spill?.close();
      spill = undefined;
    },
  };
}
