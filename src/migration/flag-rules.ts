/**
 * The three flags in flagd's format. Whatever a state says, it is written in exactly one way, so that what is read can be
 * compared with what would have been written.
 */
import {
  allUseEvents,
  type Position,
  STAGES,
  type Stage,
  stageBefore,
  usesEvents,
} from '../core/migration/stage.js';
import type { FlagState } from './flag-state.js';

export const FLAGD_SCHEMA = 'https://flagd.dev/schema/v0/flags.json';

/** String: the stage of a job. */
export const STAGE_FLAG = 'migration-stage';
/** Boolean: whether events count for a job. */
export const EVENTS_FLAG = 'use-event-driven';
/** Boolean: whether the job's callbacks belong to the sample of `rampdown`. */
export const SAMPLE_FLAG = 'callback-sample';

/** In front of the job id. The same for stage and events, which must agree; another for the sample. */
const JOB_SALT = 'atma-migration:';
const SAMPLE_SALT = 'atma-callback-sample:';

export interface Rule {
  /** What holds without a job id, and for all where there is no targeting. */
  readonly defaultVariant: string;
  /** flagd's JSON logic; undefined where all jobs get the same. */
  readonly targeting: object | undefined;
}

const STAGE_VARIANTS: { readonly [name: string]: Stage } = Object.fromEntries(
  STAGES.map((stage) => [stage, stage]),
);
const EVENTS_VARIANTS = { on: true, off: false };
const SAMPLE_VARIANTS = { in: true, out: false };

const JOB_ID = { var: 'targetingKey' };

/** `percent` of the jobs, always the same, get `first`; the others `rest`. Without a job id: the default. */
function split(salt: string, first: string, percent: number, rest: string): object {
  return ofJobs(share(salt, first, percent, rest));
}

/** The rule where there is a job id, else the default. */
export function ofJobs(rule: unknown): object {
  return { if: [{ '!!': JOB_ID }, rule, null] };
}

function share(salt: string, first: string, percent: number, rest: string): object {
  // The later one first: more percent move the end of its range, and only add jobs to it.
  return { fractional: [{ cat: [salt, JOB_ID] }, [first, percent], [rest, 100 - percent]] };
}

/** Which jobs are in `stage`, the others in `before`; and which are in the sample. */
export const stageShare = (stage: Stage, percent: number, before: Stage): object =>
  share(JOB_SALT, stage, percent, before);
export const sampleShare = (first: string, percent: number, rest: string): object =>
  share(SAMPLE_SALT, first, percent, rest);

export function stageRule({ stage, percent }: Position): Rule {
  const before = percent === 100 ? undefined : stageBefore(stage);
  if (before === undefined) return { defaultVariant: stage, targeting: undefined };
  return { defaultVariant: before, targeting: split(JOB_SALT, stage, percent, before) };
}

export function eventsRule(position: Position): Rule {
  const { stage, percent } = position;
  const before = stageBefore(stage);
  if (percent === 100 || before === undefined || usesEvents(stage) === usesEvents(before)) {
    return { defaultVariant: allUseEvents(position) ? 'on' : 'off', targeting: undefined };
  }
  return { defaultVariant: 'off', targeting: split(JOB_SALT, 'on', percent, 'off') };
}

export function sampleRule(percent: number): Rule {
  if (percent === 0 || percent === 100) {
    return { defaultVariant: percent === 0 ? 'out' : 'in', targeting: undefined };
  }
  return { defaultVariant: 'out', targeting: split(SAMPLE_SALT, 'in', percent, 'out') };
}

/** The flags of a state, by name, as they stand under `flags`. */
export function flagsOf(state: FlagState): { readonly [name: string]: object } {
  return {
    [STAGE_FLAG]: { ...flag(STAGE_VARIANTS, stageRule(state)), metadata: metadataOf(state) },
    [EVENTS_FLAG]: flag(EVENTS_VARIANTS, eventsRule(state)),
    [SAMPLE_FLAG]: flag(SAMPLE_VARIANTS, sampleRule(state.samplePercent)),
  };
}

function flag(variants: object, { defaultVariant, targeting }: Rule): object {
  return { state: 'ENABLED', variants, defaultVariant, ...(targeting !== undefined && { targeting }) };
}

/** flagd takes text, numbers and booleans: what is not known is left out. */
function metadataOf({ stage: _, ...rest }: FlagState): object {
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
}
