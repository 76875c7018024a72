/** What both paths have in common when a record becomes an observation. */

import { firstAt, valueAt } from '../core/dotted-path.js';
import type { Leg, Side } from './mapping.js';
import type { Observation } from './observation.js';
import { eachUnmapped, type UnmappedCounter } from './unmapped.js';
import { ABSENT, hashOf } from './values.js';

/** A longer one is nobody's job id, and would be kept a hundred thousand times. */
const LONGEST_JOB = 200;

/** The job's id as text, or undefined when the body names none. */
export function jobOf(leg: Leg, side: Side, body: unknown): string | undefined {
  const job = firstAt(body, leg[side].job);
  if (typeof job === 'number') return String(job);
  return typeof job === 'string' && job !== '' && job.length <= LONGEST_JOB ? job : undefined;
}

/** The compared values of a body. */
export function contentOf(
  leg: Leg,
  side: Side,
  body: unknown,
): Pick<Observation, 'tokens' | 'identity'> & { values: readonly unknown[] } {
  const values: unknown[] = [];
  const tokens: number[] = [];
  for (const field of leg.fields) {
    const { paths, constant } = field[side];
    const value = constant === undefined ? firstAt(body, paths) : constant;
    values.push(value);
    tokens.push(field.token(value));
  }
  return { tokens, values, identity: attemptOf(leg, side, body) ?? tokens[leg.identity] ?? ABSENT };
}

function attemptOf(leg: Leg, side: Side, body: unknown): number | undefined {
  if (leg[side].attempt.length === 0) return undefined;
  const attempt = firstAt(body, leg[side].attempt);
  return attempt === undefined || attempt === null ? undefined : hashOf(`attempt ${String(attempt)}`);
}

/** A number of milliseconds at the first of the paths that has one, or ABSENT. */
export function millisecondsAt(body: unknown, paths: Leg['event']['tookMs']): number {
  for (const path of paths) {
    const value = valueAt(body, path);
    if (typeof value === 'number' && value >= 0) return value;
  }
  return ABSENT;
}

export function countUnmapped(
  counter: UnmappedCounter | undefined,
  leg: Leg,
  side: Side,
  body: unknown,
): void {
  if (counter === undefined) return;
  eachUnmapped(body, leg[side].known, (path) => counter.add(leg, side, path));
}

/** Beyond this, in milliseconds on either side of 1970, no date can be written. */
const FURTHEST_MS = 8.64e15;

/** Milliseconds since 1970 of an ISO 8601 text or a number, or NaN. */
export function timeOf(value: unknown): number {
  if (typeof value === 'string') return Date.parse(value);
  return typeof value === 'number' && Math.abs(value) <= FURTHEST_MS ? value : Number.NaN;
}
