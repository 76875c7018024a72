/** Where an axis has its marks, and what they say. */
import { shortTime } from './figures.js';

export interface Tick {
  readonly at: number;
  readonly label: string;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[15_000, 30_000, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR],
  ...[6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 365 * DAY],
];
const MOST_TICKS = 8;
/** Room for half of a label at either end, as a share of the axis. */
const MARGIN = 0.04;

/** Round times (UTC) of a stretch, at most eight, none so near an end that its label would be cut. */
export function timeTicks(from: number, to: number): Tick[] {
  const span = to - from;
  const step =
    STEPS.find((each) => span / each <= MOST_TICKS) ?? 2 ** Math.ceil(Math.log2(span / MOST_TICKS));
  const first = Math.ceil((from + span * MARGIN) / step) * step;
  const ticks: Tick[] = [];
  for (let at = first; at <= to - span * MARGIN; at += step) ticks.push({ at, label: labelOf(at, step) });
  return ticks;
}

function labelOf(at: number, step: number): string {
  const iso = new Date(at).toISOString();
  if (step >= DAY) return iso.slice(5, 10);
  return step >= MINUTE ? iso.slice(11, 16) : iso.slice(11, 19);
}

/** Lengths of time from microseconds to days on one axis, negative ones too: even around 0, logarithmic beyond 1 ms. */
export const onLatencyAxis = (ms: number) => Math.sign(ms) * Math.log10(1 + Math.abs(ms));

const ROUND_TIMES = [0, 1, 10, 100, 1_000, 10_000, MINUTE, 10 * MINUTE, HOUR, DAY, 30 * DAY, 365 * DAY];
/** Labels closer than this share of the axis would touch. */
const CLOSEST = 0.085;

/** Marks between two lengths of time, in milliseconds. */
export function latencyTicks(from: number, to: number): Tick[] {
  const [left, right] = [onLatencyAxis(from), onLatencyAxis(to)];
  const share = (ms: number) => (onLatencyAxis(ms) - left) / (right - left);
  const fits = (at: number, others: readonly Tick[]) =>
    share(at) >= MARGIN &&
    share(at) <= 1 - MARGIN &&
    others.every((other) => Math.abs(share(at) - share(other.at)) >= CLOSEST);
  const ticks: Tick[] = [];
  // From 0 outward: it is the mark that tells which path was first.
  for (const ms of ROUND_TIMES) {
    for (const at of ms === 0 ? [0] : [ms, -ms]) {
      if (fits(at, ticks)) ticks.push({ at, label: at === 0 ? '0' : shortTime(at) });
    }
  }
  return ticks.sort((a, b) => a.at - b.at);
}
