/**
 * How far the clock of one host (there) is ahead of another's (here). It is shown, never taken off any time: times stay
 * as they were noted, and whoever reads a latency sees by how much its two clocks may disagree.
 *
 * Whatever comes later must not carry an earlier time, so each pair of times bounds the offset on one side. The pair
 * that travelled least bounds it best, which is why only the smallest difference counts (the clock filter of NTP,
 * RFC 5905 section 10; Cristian, "Probabilistic Clock Synchronization", 1989):
 *
 * | pair | bound |
 * |---|---|
 * | left here, arrived there | offset ≤ arrived − left |
 * | left there, arrived here | offset ≥ left − arrived |
 * | one fact seen on both, on ways of their own | none: the median is the offset plus the difference of the ways |
 *
 * A clock that drifts or is set while it is watched shows as bounds that contradict each other, or not at all where
 * pairs go one way only.
 */
import { z } from 'zod';
import { EventsError } from '../core/errors.js';
import { type LatencySketch, latencyJson, latencySketch } from './latency.js';
import { seconds, thousands } from './quantities.js';

/** How sure an offset is: bounded on both sides, on one, or mixed with the difference of the two ways. */
export type SkewBasis = 'both-ways' | 'one-way' | 'side-by-side' | 'none';

/** Milliseconds; positive when the clock there is ahead. */
export interface SkewEstimate {
  readonly basis: SkewBasis;
  /** The best guess; null without any pair, or when the bounds contradict each other. */
  readonly offsetMs: number | null;
  /** Bounds that hold whatever the delays were; null where there is none. */
  readonly atLeastMs: number | null;
  readonly atMostMs: number | null;
  /** The bounds contradict each other: a clock drifted or was set meanwhile. */
  readonly contradictory: boolean;
  /** Pairs that the estimate rests on. */
  readonly pairs: number;
}

export interface Skew {
  /** Times in milliseconds since 1970, each by the clock of its host. */
  leftHere(left: number, arrivedThere: number): void;
  leftThere(left: number, arrivedHere: number): void;
  seenOnBoth(here: number, there: number): void;
  estimate(): SkewEstimate;
  toJSON(): SkewJson;
}

const leastOf = z.object({ pairs: z.int().nonnegative(), least: z.number().nullable() });
const skewJson = z.object({ out: leastOf, back: leastOf, beside: latencyJson });
export type SkewJson = z.infer<typeof skewJson>;

/** Reads back what `toJSON` gave. Throws EventsError `storage` for anything else. */
export function readSkew(json: unknown): Skew {
  const parsed = skewJson.safeParse(json);
  if (!parsed.success)
    throw new EventsError('storage', 'The stored clock skew cannot be read', { cause: parsed.error });
  return skew(parsed.data);
}

/** The estimate where nothing is known but by how much later facts were seen there than here. */
export function skewSideBySide(differences: LatencySketch): SkewEstimate {
  return estimateOf(NONE, NONE, differences);
}

export function skew(from?: SkewJson): Skew {
  let out: Least = from?.out ?? NONE;
  let back: Least = from?.back ?? NONE;
  const beside = latencySketch(from?.beside);
  return {
    leftHere: (left, arrivedThere) => {
      out = withOne(out, arrivedThere - left);
    },
    leftThere: (left, arrivedHere) => {
      back = withOne(back, arrivedHere - left);
    },
    seenOnBoth: (here, there) => beside.add(there - here),
    estimate: () => estimateOf(out, back, beside),
    toJSON: () => ({ out, back, beside: beside.toJSON() }),
  };
}

type Least = SkewJson['out'];
const NONE: Least = { pairs: 0, least: null };

function withOne({ pairs, least }: Least, difference: number): Least {
  return { pairs: pairs + 1, least: Math.min(least ?? difference, difference) };
}

function estimateOf(out: Least, back: Least, beside: LatencySketch): SkewEstimate {
  const atMostMs = out.least;
  const atLeastMs = back.least === null ? null : 0 - back.least;
  const bounds = { atLeastMs, atMostMs, contradictory: false, pairs: out.pairs + back.pairs };
  if (atMostMs !== null && atLeastMs !== null) {
    const contradictory = atLeastMs > atMostMs;
    const offsetMs = contradictory ? null : (atLeastMs + atMostMs) / 2;
    return { ...bounds, basis: 'both-ways', offsetMs, contradictory };
  }
  const bound = atMostMs ?? atLeastMs;
  // As if the fastest pair had taken no time: the guess is off by the time that it took.
  if (bound !== null) return { ...bounds, basis: 'one-way', offsetMs: bound };
  const offsetMs = beside.quantile(0.5);
  return { ...bounds, basis: offsetMs === null ? 'none' : 'side-by-side', offsetMs, pairs: beside.count };
}

/** The estimate as a sentence. `here` and `there` name the two clocks. */
export function describeSkew(here: string, there: string, estimate: SkewEstimate): string {
  const { basis, offsetMs, atLeastMs, atMostMs, contradictory, pairs } = estimate;
  if (contradictory)
    return `The clocks of ${here} and ${there} moved against each other: do not trust times between them.`;
  if (offsetMs === null) return `Nothing tells yet how far the clocks of ${here} and ${there} are apart.`;
  const clock = `The clock of ${there}`;
  const apart = `${ms(Math.abs(offsetMs))} ${offsetMs < 0 ? 'behind' : 'ahead of'} that of ${here}`;
  if (basis === 'side-by-side')
    return `${clock} looks ${apart} (median of ${thousands(pairs)}), unless one path is that much slower.`;
  if (atLeastMs !== null && atMostMs !== null)
    return `${clock} is ${apart}, give or take ${ms((atMostMs - atLeastMs) / 2)}.`;
  // "At most −5 ms ahead" is "at least 5 ms behind".
  const away = atMostMs === null ? offsetMs >= 0 : offsetMs < 0;
  return `${clock} is ${away ? 'at least' : 'at most'} ${apart}; nothing bounds it on the other side.`;
}

function ms(value: number): string {
  return value < 1_000 ? `${value.toLocaleString('en-US', { maximumFractionDigits: 1 })} ms` : seconds(value);
}
