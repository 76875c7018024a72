/**
 * Which observations of a job belong to one attempt. Pure, and the same whatever order they came in: only their own
 * times count. docs/shadow.md has the rules of what begins an attempt.
 */
import { isSame, legOf } from './content.js';
import type { Mapping } from './mapping.js';
import type { Observation } from './observation.js';
import { ABSENT } from './values.js';

/** One fact of one attempt: what came by either path, each in order of time. */
export interface Attempt {
  readonly callbacks: readonly Observation[];
  readonly events: readonly Observation[];
  /** Sightings elsewhere and the consumer's own reports. */
  readonly hints: readonly Observation[];
  /** Earliest of them all. */
  readonly firstAt: number;
  /** The stretch between two beginnings in which it lies, from 0. */
  readonly epoch: number;
}

export interface Attempts {
  /** Per fact, in order of time. */
  readonly facts: readonly (readonly Attempt[])[];
  /** Events that begin an attempt, per epoch; empty where none was seen. */
  readonly begins: readonly (readonly Observation[])[];
  /** Sightings elsewhere, and the consumer's own reports, of events that begin an attempt. */
  readonly beginHints: readonly Observation[];
}

/** Observations of one path that tell one fact: the first, its duplicates, and what it was changed to. */
interface Run {
  readonly all: Observation[];
  readonly first: Observation;
  readonly epoch: number;
}

export function attemptsOf(
  mapping: Mapping,
  observations: readonly Observation[],
  windowMs: number,
): Attempts {
  const ordered = isOrdered(observations) ? observations : observations.toSorted(byTime);
  const begins: Observation[] = [];
  const beginHints: Observation[] = [];
  const told: Observation[] = [];
  // Without a tap, the consumer's own reports say that events came.
  const sighting = ordered.some((each) => each.kind === 'event') ? 'event' : 'consumed';
  for (const each of ordered) {
    if (!legOf(mapping, each).begins) told.push(each);
    else (each.kind === sighting ? begins : beginHints).push(each);
  }
  const starts = begins.length === 0 ? [] : restartsOf(begins, told, windowMs);
  const facts = factsOf(mapping, told);
  return {
    facts: facts.map((fact) => {
      const own = facts.length === 1 ? told : told.filter((each) => legOf(mapping, each).fact === fact);
      return attemptsOfFact(mapping, own, sighting, starts, windowMs);
    }),
    begins:
      starts.length === 0
        ? [begins]
        : Array.from({ length: starts.length + 1 }, (_, epoch) =>
            begins.filter((each) => epochOf(starts, each.at) === epoch),
          ),
    beginHints,
  };
}

function isOrdered(observations: readonly Observation[]): boolean {
  for (let i = 1; i < observations.length; i++) {
    const [before, after] = [observations[i - 1], observations[i]];
    if (before && after && byTime(before, after) > 0) return false;
  }
  return true;
}

function factsOf(mapping: Mapping, told: readonly Observation[]): readonly string[] {
  const [one] = told;
  if (one === undefined) return [];
  const { fact } = legOf(mapping, one);
  if (told.every((each) => legOf(mapping, each).fact === fact)) return [fact];
  return [...new Set(told.map((each) => legOf(mapping, each).fact))];
}

function byTime(a: Observation, b: Observation): number {
  return a.at - b.at || a.line - b.line;
}

/**
 * Times at which the job was begun again: a beginning after something was told, where the beginning of that was seen
 * before; or where it comes so much later that it cannot be that one, out of order.
 */
function restartsOf(
  begins: readonly Observation[],
  told: readonly Observation[],
  windowMs: number,
): readonly number[] {
  const restarts: number[] = [];
  let since = Number.NEGATIVE_INFINITY;
  let begun = false;
  for (const [index, begin] of begins.entries()) {
    if (begins.slice(0, index).some((earlier) => isSameMessage(earlier, begin))) continue;
    const last = told.findLast(({ at }) => at < begin.at && at >= since);
    if (last !== undefined && (begun || begin.at - last.at > windowMs)) {
      restarts.push(begin.at);
      since = begin.at;
    }
    begun = true;
  }
  return restarts;
}

function epochOf(restarts: readonly number[], at: number): number {
  let epoch = 0;
  while (epoch < restarts.length && at >= (restarts[epoch] ?? 0)) epoch++;
  return epoch;
}

function attemptsOfFact(
  mapping: Mapping,
  told: readonly Observation[],
  sighting: Observation['kind'],
  restarts: readonly number[],
  windowMs: number,
): readonly Attempt[] {
  const [one, other] = told;
  if (restarts.length === 0 && one !== undefined && told.length <= 2) {
    const simple = simpleAttempt(one, other, sighting, windowMs);
    if (simple) return [simple];
  }
  const of = (kind: Observation['kind']) => told.filter((each) => each.kind === kind);
  const runs = (path: readonly Observation[]) => runsOf(mapping, path, restarts);
  const pairs = pair(mapping, runs(of('callback')), runs(of(sighting)), windowMs);
  const attempts = pairs.map(({ callbacks, events }) => attemptOf(callbacks, events));
  const hints = told.filter(({ kind }) => kind !== 'callback' && kind !== sighting);
  if (hints.length === 0) return attempts.toSorted((a, b) => a.firstAt - b.firstAt);
  if (attempts.length === 0) {
    if (!areTelling(hints)) return [];
    const at = hints[0]?.at ?? 0;
    return [{ callbacks: [], events: [], hints, firstAt: at, epoch: epochOf(restarts, at) }];
  }
  return withHints(
    attempts.toSorted((a, b) => a.firstAt - b.firstAt),
    hints,
  );
}

const NO_ONE: readonly Observation[] = [];

/** What nearly every job is: one callback and one event, or one of them. The rules are those of `pair`. */
function simpleAttempt(
  one: Observation,
  other: Observation | undefined,
  sighting: Observation['kind'],
  windowMs: number,
): Attempt | undefined {
  if (other === undefined) {
    const hints = NO_ONE;
    if (one.kind === 'callback')
      return { callbacks: [one], events: NO_ONE, hints, firstAt: one.at, epoch: 0 };
    return one.kind === sighting
      ? { callbacks: NO_ONE, events: [one], hints, firstAt: one.at, epoch: 0 }
      : undefined;
  }
  const [callback, event] = one.kind === 'callback' ? [one, other] : [other, one];
  if (callback.kind !== 'callback' || event.kind !== sighting) return undefined;
  if (areOtherAttempts(one, other) && other.at - one.at > windowMs) return undefined;
  return { callbacks: [callback], events: [event], hints: NO_ONE, firstAt: one.at, epoch: 0 };
}

/** Reports of effects alone are no leg, unless both paths had theirs. */
function areTelling(hints: readonly Observation[]): boolean {
  const ways = new Set(hints.filter(({ kind }) => kind === 'applied').map(({ via }) => via));
  return ways.size > 1 || hints.some(({ kind }) => kind === 'unrouted' || kind === 'deadLettered');
}

function attemptOf(callbacks: Run | undefined, events: Run | undefined): Attempt {
  const callbackAt = callbacks?.first.at ?? Number.POSITIVE_INFINITY;
  const eventAt = events?.first.at ?? Number.POSITIVE_INFINITY;
  const earlier = callbackAt <= eventAt ? callbacks : events;
  return {
    callbacks: callbacks?.all ?? [],
    events: events?.all ?? [],
    hints: [],
    firstAt: Math.min(callbackAt, eventAt),
    epoch: earlier?.epoch ?? 0,
  };
}

/** To the attempt that it names, else to the last one that had begun by then. */
function withHints(attempts: readonly Attempt[], hints: readonly Observation[]): readonly Attempt[] {
  const homes = hints.map((hint) => {
    const named = attempts.findIndex(({ callbacks, events }) =>
      [callbacks[0], events[0]].some((each) => each !== undefined && areSameAttempt(each, hint)),
    );
    return named === -1
      ? Math.max(
          0,
          attempts.findLastIndex(({ firstAt }) => firstAt <= hint.at),
        )
      : named;
  });
  return attempts.map((attempt, index) => ({
    ...attempt,
    hints: hints.filter((_, hint) => homes[hint] === index),
  }));
}

function runsOf(mapping: Mapping, path: readonly Observation[], restarts: readonly number[]): readonly Run[] {
  const runs: Run[] = [];
  for (const each of path) {
    const epoch = epochOf(restarts, each.at);
    const home = runs.length === 0 ? undefined : homeOf(mapping, runs, each, epoch);
    if (home) home.all.push(each);
    else runs.push({ all: [each], first: each, epoch });
  }
  return runs;
}

function homeOf(mapping: Mapping, runs: readonly Run[], one: Observation, epoch: number): Run | undefined {
  const sameMessage = runs.findLast(({ all }) => all.some((each) => isSameMessage(each, one)));
  if (sameMessage) return sameMessage;
  const last = runs.at(-1);
  const named = runs.findLast(({ first }) => areSameAttempt(first, one));
  if (named) return named.epoch !== epoch && isSame(mapping, named.first, one) ? undefined : named;
  if (last === undefined || areOtherAttempts(last.first, one)) return undefined;
  const again = last.epoch !== epoch && (last.first.leg !== one.leg || isSame(mapping, last.first, one));
  return again ? undefined : last;
}

const isSameMessage = (a: Observation, b: Observation) => a.message !== ABSENT && a.message === b.message;
const areSameAttempt = (a: Observation, b: Observation) => a.identity !== ABSENT && a.identity === b.identity;
const areOtherAttempts = (a: Observation, b: Observation) =>
  a.identity !== ABSENT && b.identity !== ABSENT && a.identity !== b.identity;

interface Pair {
  readonly callbacks?: Run;
  readonly events?: Run;
}

/** Puts the runs of both paths together, the surest first; what is left stays alone. */
function pair(
  mapping: Mapping,
  callbacks: readonly Run[],
  events: readonly Run[],
  windowMs: number,
): readonly Pair[] {
  const pairs: Pair[] = [];
  const left = { callbacks: [...callbacks], events: [...events] };
  const agree = (a: Run, b: Run) => isSame(mapping, a.first, b.first);
  const near = (a: Run, b: Run) => Math.abs(a.first.at - b.first.at) <= windowMs;
  const sameEpoch = (a: Run, b: Run) => a.epoch === b.epoch;
  const rules: ((a: Run, b: Run) => boolean)[] = [
    (a, b) => agree(a, b) && (sameEpoch(a, b) || near(a, b)),
    agree,
    (a, b) => areSameAttempt(a.first, b.first),
    // Two results that are far apart in time are two attempts, each of which lacks its other path.
    (a, b) => near(a, b) || (sameEpoch(a, b) && !areOtherAttempts(a.first, b.first)),
  ];
  for (const rule of rules) {
    for (const callback of [...left.callbacks]) {
      const event = left.events.find((each) => rule(callback, each));
      if (event === undefined) continue;
      pairs.push({ callbacks: callback, events: event });
      left.callbacks.splice(left.callbacks.indexOf(callback), 1);
      left.events.splice(left.events.indexOf(event), 1);
    }
    if (left.callbacks.length === 0 || left.events.length === 0) break;
  }
  for (const run of left.callbacks) pairs.push({ callbacks: run });
  for (const run of left.events) pairs.push({ events: run });
  return pairs;
}
