/** What is known of one job at one consumer. */

import type { Tally } from './counts.js';
import type { Observation } from './observation.js';
import type { Due } from './schedule.js';

export interface Track extends Due {
  readonly job: string;
  readonly consumer: string;
  observations: Observation[];
  /** Its closed legs, as they were counted. */
  tallies: readonly Tally[];
  /** Has legs that are not closed. */
  open: boolean;
  /** The window by which its first leg was closed: it stays that, so that a leg judged anew is judged alike. */
  windowMs: number | undefined;
  /** All of it as text, a fifth of the size, while nothing more is expected; the rest is empty then. */
  packed: string | undefined;
}

/** Beyond this many, one more that says what another said is only counted. */
const MANY = 32;
/** Beyond this many, also one that says something else: the leg is a mismatch either way. */
const TOO_MANY = 1_000;

/** Adds an observation. A job that is told of a million times must not fill the memory. */
export function observe(track: Track, one: Observation): void {
  const { observations } = track;
  if (observations.length >= MANY) {
    const alike = observations.find((each) => isAlike(each, one));
    const stand =
      alike ??
      (observations.length >= TOO_MANY ? observations.findLast(({ kind }) => kind === one.kind) : undefined);
    if (stand !== undefined) {
      stand.more += 1 + one.more;
      return;
    }
  }
  observations.push(one);
}

function isAlike(a: Observation, b: Observation): boolean {
  return (
    a.kind === b.kind &&
    a.leg === b.leg &&
    a.status === b.status &&
    a.valid === b.valid &&
    a.via === b.via &&
    a.tokens.every((token, index) => token === b.tokens[index])
  );
}

/** Every leg of it is closed and in order: the values behind the tokens are not needed any more, and go. */
export function forgetValues(track: Track): void {
  for (const each of track.observations) {
    each.values = undefined;
    each.shown = undefined;
  }
}
