/** A track as text, for the disk. Nothing in it that may not be stored: values are redacted. */
import { legOf } from './content.js';
import type { Tally } from './counts.js';
import type { Mapping } from './mapping.js';
import { type Observation, shownFields } from './observation.js';
import type { Track } from './track.js';
import { ABSENT } from './values.js';

/** By place, not by name: there may be millions of them. JSON has no infinity, so ABSENT is null. */
type StoredObservation = [
  kind: Observation['kind'],
  source: string,
  leg: number,
  at: number,
  line: number,
  tokens: (number | null)[],
  identity: number | null,
  message: number | null,
  status: number,
  tookMs: number | null,
  valid: 0 | 1,
  more: number,
  shown: readonly string[] | null,
  rest: Pick<Observation, 'via' | 'alias' | 'drifts' | 'words'> | null,
];

type StoredTally = [
  key: string,
  leg: number,
  outcome: Tally['outcome'],
  evidence: Tally['evidence'],
  bothApplied: boolean,
  inBudget: boolean | null,
  reason: string,
];

type StoredTrack = [
  seq: number,
  due: number,
  open: boolean,
  windowMs: number | null,
  observations: StoredObservation[],
  tallies: StoredTally[],
];

export function writeTrack(track: Track, mapping: Mapping): string {
  if (track.packed !== undefined) return track.packed;
  const stored: StoredTrack = [
    track.seq,
    track.due,
    track.open,
    track.windowMs ?? null,
    track.observations.map((each) => storedObservation(each, mapping)),
    track.tallies.map((each) => [
      each.key,
      each.leg,
      each.outcome,
      each.evidence,
      each.bothApplied,
      each.inBudget,
      each.reason,
    ]),
  ];
  return JSON.stringify(stored);
}

function storedObservation(one: Observation, mapping: Mapping): StoredObservation {
  const { via, alias, drifts, words } = one;
  const isPlain = via === undefined && alias === undefined && words === undefined && drifts.length === 0;
  return [
    one.kind,
    one.source,
    one.leg,
    one.at,
    one.line,
    one.tokens.map(finite),
    finite(one.identity),
    finite(one.message),
    one.status,
    finite(one.tookMs),
    one.valid ? 1 : 0,
    one.more,
    shownFields(one, legOf(mapping, one)) ?? null,
    isPlain ? null : { via, alias, drifts, words },
  ];
}

/** What `writeTrack` wrote. Our own file, hence trusted. */
export function readTrack(consumer: string, job: string, text: string): Track {
  const [seq, due, open, windowMs, observations, tallies] = JSON.parse(text) as StoredTrack;
  return {
    job,
    consumer,
    seq,
    due,
    slot: -1,
    open,
    windowMs: windowMs ?? undefined,
    packed: undefined,
    observations: observations.map((each) => observationOf(job, each)),
    tallies: tallies.map(([key, leg, outcome, evidence, bothApplied, inBudget, reason]) => ({
      ...{ key, leg, outcome, evidence, bothApplied, inBudget, reason },
    })),
  };
}

function observationOf(job: string, stored: StoredObservation): Observation {
  const [kind, source, leg, at, line, tokens, identity, message, status, tookMs, valid, more, shown, rest] =
    stored;
  return {
    source,
    kind,
    leg,
    job,
    at,
    tokens: tokens.map(token),
    identity: token(identity),
    message: token(message),
    line,
    status,
    tookMs: token(tookMs),
    valid: valid === 1,
    via: rest?.via,
    alias: rest?.alias,
    drifts: rest?.drifts ?? [],
    words: rest?.words,
    more,
    values: undefined,
    shown: shown ?? undefined,
  };
}

const finite = (token: number) => (token === ABSENT ? null : token);
const token = (stored: number | null) => stored ?? ABSENT;

/** Makes a track small until it is needed. */
export function pack(track: Track, mapping: Mapping): void {
  track.packed ??= writeTrack(track, mapping);
  track.observations = EMPTY;
  track.tallies = [];
}

/** Never added to: a packed track is unpacked first. */
const EMPTY: Observation[] = [];

export function unpack(track: Track): void {
  if (track.packed === undefined) return;
  const { observations, tallies } = readTrack(track.consumer, track.job, track.packed);
  track.packed = undefined;
  track.observations = observations;
  track.tallies = tallies;
}

/** Names a track: SQLite's text takes no NUL character, and a job id may hold anything. */
export function trackKey(consumer: string, job: string): string {
  return JSON.stringify([consumer, job]);
}
