/** All legs of one job at one consumer. Pure. */
import { type Attempt, type Attempts, attemptsOf } from './attempts.js';
import { legOf } from './content.js';
import { type Circumstances, type JudgedLeg, judgeLeg, type Position } from './leg.js';
import type { Leg } from './mapping.js';
import { isAccepted, isUnnamedJob, type Observation } from './observation.js';
import { ABSENT } from './values.js';

/** A leg, and from when on it can be judged. */
export interface DueLeg {
  /** Names the leg among those of its job and consumer. */
  readonly key: string;
  readonly closesAt: number;
  judge(): JudgedLeg;
}

export interface JobCircumstances extends Circumstances {
  /** Since when events that begin an attempt are seen at the consumer; infinite while none was. */
  begunSince(consumer: string): number;
}

export function legsOfJob(
  observations: readonly Observation[],
  circumstances: JobCircumstances,
): readonly DueLeg[] {
  const [one] = observations;
  if (one === undefined) return [];
  const { mapping, windowMs } = circumstances;
  const attempts = attemptsOf(mapping, observations, windowMs);
  const legs: DueLeg[] = attempts.facts.flatMap((own, fact) =>
    own.map((attempt, index) => ({
      key: keyOf(fact, index),
      closesAt: attempt.firstAt + windowMs,
      judge: () => judgeLeg(attempt, positionOf(attempt, index, own), circumstances),
    })),
  );
  const begin = mapping.begin(legOf(mapping, one).consumer);
  if (begin && !isUnnamedJob(one.job)) legs.push(...beginLegs(begin, attempts, circumstances));
  return legs;
}

// One text per leg would be made anew for each of millions.
const KEYS = ['0', '1', '2', '3'].map((fact) => [`${fact}.1`, `${fact}.2`]);
const keyOf = (fact: number, index: number) => KEYS[fact]?.[index] ?? `${fact}.${index + 1}`;

function positionOf(attempt: Attempt, index: number, all: readonly Attempt[]): Position {
  const overtook = all.length > 1 && all.some((other) => other !== attempt && isOvertaken(other, attempt));
  return { attempt: index + 1, ...(overtook && { outOfOrder: 'attempts' }) };
}

/** By callback the other came first, by event last. */
function isOvertaken(other: Attempt, by: Attempt): boolean {
  const callbacks = [other.callbacks.find(isAccepted)?.at, by.callbacks.find(isAccepted)?.at] as const;
  const events = [other.events[0]?.at, by.events[0]?.at] as const;
  if (callbacks[0] === undefined || callbacks[1] === undefined) return false;
  if (events[0] === undefined || events[1] === undefined) return false;
  return callbacks[0] < callbacks[1] && events[0] > events[1];
}

/** One leg for each beginning that was seen, and one for each attempt whose beginning should have been. */
function beginLegs(
  begin: Leg,
  { facts, begins, beginHints }: Attempts,
  circumstances: JobCircumstances,
): DueLeg[] {
  const { windowMs } = circumstances;
  const legs: DueLeg[] = [];
  const next = () => ({ key: `begin.${legs.length + 1}`, attempt: legs.length + 1 });
  for (const [epoch, seen] of begins.entries()) {
    const begun = mostInOne(facts.map((attempts) => attempts.filter((attempt) => attempt.epoch === epoch)));
    const [first] = seen;
    if (first !== undefined) {
      const { key, attempt } = next();
      const told = begun[0]?.events[0]?.at ?? Number.POSITIVE_INFINITY;
      const position: Position = { attempt, ...(first.at > told && { outOfOrder: 'begin' }) };
      const leg = { callbacks: [], events: seen, hints: beginHints, firstAt: first.at, epoch };
      legs.push({
        key,
        closesAt: first.at + windowMs,
        judge: () => judgeLeg(leg, position, circumstances),
      });
    }
    for (const attempt of first === undefined ? begun : begun.slice(1)) {
      if (!isBeginMissed(begin, attempt, circumstances)) continue;
      const { key, attempt: number } = next();
      legs.push({
        key,
        closesAt: attempt.firstAt + windowMs,
        judge: () => missingBegin(begin, attempt, number, beginHints, circumstances),
      });
    }
  }
  if (legs.length === 0 && beginHints.length > 0 && facts.length === 0) {
    const firstAt = beginHints[0]?.at ?? 0;
    const leg = { callbacks: [], events: [], hints: beginHints, firstAt, epoch: 0 };
    legs.push({
      ...next(),
      closesAt: firstAt + windowMs,
      judge: () => judgeLeg(leg, { attempt: 1 }, circumstances),
    });
  }
  return legs;
}

function mostInOne(perFact: readonly (readonly Attempt[])[]): readonly Attempt[] {
  return perFact.reduce((most, own) => (own.length > most.length ? own : most), []);
}

/** What began before beginnings were seen at all is not missed: recording may have started in the middle of it. */
function isBeginMissed(begin: Leg, attempt: Attempt, { begunSince }: JobCircumstances): boolean {
  if (attempt.callbacks.length + attempt.events.length === 0) return false;
  return beganAt(attempt) >= begunSince(begin.consumer);
}

/** As far as anybody tells: before the outcome by the time that it took. */
function beganAt({ events: [event], firstAt }: Attempt): number {
  return event === undefined || event.tookMs === ABSENT ? firstAt : event.at - event.tookMs;
}

function missingBegin(
  begin: Leg,
  attempt: Attempt,
  number: number,
  hints: readonly Observation[],
  { inGap, windowMs }: JobCircumstances,
): JudgedLeg {
  const gap = inGap('event', beganAt(attempt) - windowMs, attempt.firstAt + windowMs);
  const elsewhere = hints.some(({ kind }) => kind === 'unrouted') ? 'unroutable' : 'not-published';
  return {
    leg: begin.index,
    job: attempt.callbacks[0]?.job ?? attempt.events[0]?.job ?? '',
    attempt: number,
    outcome: 'missingEvent',
    evidence: gap ? 'none' : 'bad',
    bothApplied: false,
    firstAt: attempt.firstAt,
    lagMs: null,
    callbackMs: null,
    lines: { callback: attempt.callbacks[0]?.line ?? 0, event: attempt.events[0]?.line ?? 0 },
    details: { kind: 'missingEvent', because: gap ? 'collector-gap' : elsewhere },
  };
}
