/** Positions of the flag, compared. Pure. */
import { EventsError } from '../core/errors.js';
import { isStage, type Position, progressOf } from '../core/migration/stage.js';

export type Direction = 'forward' | 'backward' | 'none';

export interface Step {
  readonly direction: Direction;
  /** Whether it may be done without force. */
  readonly allowed: boolean;
  /** How far it may go at most; where `allowed` is false, less than it asks for. In `progressOf`'s measure. */
  readonly furthest: number;
}

/**
 * | to, compared with from | direction | allowed |
 * |---|---|---|
 * | the same | none | yes |
 * | less far | backward | yes |
 * | further, at most one stage beyond the last that all jobs have reached | forward | yes |
 * | further than that | forward | no |
 */
export function stepOf(from: Position, to: Position): Step {
  const [now, then] = [progressOf(from), progressOf(to)];
  const furthest = Math.floor(now) + 1;
  if (then === now) return { direction: 'none', allowed: true, furthest };
  if (then < now) return { direction: 'backward', allowed: true, furthest };
  return { direction: 'forward', allowed: then <= furthest, furthest };
}

/** More jobs in the stage that the flag is in already: one rollout, as far as evidence goes. */
export function isGrowth(from: Position, to: Position): boolean {
  return from.stage === to.stage && to.percent > from.percent;
}

/** Share of the jobs whose callbacks `rampdown` sends, in percent, before and after a move. */
export interface SampleChange {
  readonly from: number;
  readonly to: number;
}

/** Whether `rampdown` sends the callbacks of fewer jobs, wherever the position goes: less is seen from then on. */
export function thinsSample(from: Position, to: Position, sample: SampleChange): boolean {
  return sample.to < sample.from && hasRampdown(from) && hasRampdown(to);
}

function hasRampdown({ stage, percent }: Position): boolean {
  return stage === 'rampdown' || (stage === 'complete' && percent < 100);
}

/** Throws `usage` for what is no position: an unknown stage, a percentage that is none, a part of `off`. */
export function requirePosition({ stage, percent }: Position): void {
  if (!isStage(stage)) throw new EventsError('usage', `"${String(stage)}" is no stage`);
  if (!Number.isInteger(percent) || percent < 1 || percent > 100) {
    throw new EventsError('usage', `A percentage is a whole number from 1 to 100, not ${percent}`, {
      hint: 'For none of the jobs, go back to the stage before.',
    });
  }
  if (stage === 'off' && percent !== 100) {
    throw new EventsError('usage', 'There is no stage before off: it holds for all jobs or not at all');
  }
}

/** Throws `usage` for what is no share of callbacks to send: 0 to 100, whole. */
export function requireSample(percent: number): void {
  if (Number.isInteger(percent) && percent >= 0 && percent <= 100) return;
  throw new EventsError('usage', `A sample is a whole number of percent from 0 to 100, not ${percent}`);
}
