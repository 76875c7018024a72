/**
 * Where a migration from callbacks to events stands, and what each stage does with a fact:
 *
 * | stage | callbacks | events | authoritative |
 * |---|---|---|---|
 * | off | sent, applied | none | callbacks |
 * | publish | sent, applied | published, only observed | callbacks |
 * | shadow | sent, applied | consumed in dry run | callbacks |
 * | live | sent, marked dry run | consumed, applied | events |
 * | rampdown | a sample sent, marked dry run | applied | events |
 * | complete | none | applied | events |
 */

export const STAGES = ['off', 'publish', 'shadow', 'live', 'rampdown', 'complete'] as const;

export type Stage = (typeof STAGES)[number];

/** What happens to a fact on both paths. */
export interface Paths {
  readonly callbacks: 'applied' | 'dry-run' | 'sample' | 'none';
  readonly events: 'none' | 'observed' | 'dry-run' | 'applied';
  /** Whose effects count. */
  readonly authoritative: 'callbacks' | 'events';
}

export const PATHS: { readonly [S in Stage]: Paths } = {
  off: { callbacks: 'applied', events: 'none', authoritative: 'callbacks' },
  publish: { callbacks: 'applied', events: 'observed', authoritative: 'callbacks' },
  shadow: { callbacks: 'applied', events: 'dry-run', authoritative: 'callbacks' },
  live: { callbacks: 'dry-run', events: 'applied', authoritative: 'events' },
  rampdown: { callbacks: 'sample', events: 'applied', authoritative: 'events' },
  complete: { callbacks: 'none', events: 'applied', authoritative: 'events' },
};

/**
 * Where the flag stands: `percent` of the jobs (1 to 100, whole) are in `stage`, the others in the stage before it. Of
 * `off`, which has none before it, always 100.
 */
export interface Position {
  readonly stage: Stage;
  readonly percent: number;
}

export const isStage = (text: unknown): text is Stage => STAGES.some((stage) => stage === text);

/** 0 for `off` to 5 for `complete`. */
export const rankOf = (stage: Stage): number => STAGES.indexOf(stage);

/** The next one; undefined after `complete`. */
export const stageAfter = (stage: Stage): Stage | undefined => STAGES[rankOf(stage) + 1];

/** The one before; undefined before `off`. */
export const stageBefore = (stage: Stage): Stage | undefined => STAGES[rankOf(stage) - 1];

/** Positions in one line: 0 for `off`, 3 for `live` with all jobs, 2.25 for `live` with a quarter of them. */
export const progressOf = ({ stage, percent }: Position): number =>
  stage === 'off' ? 0 : rankOf(stage) - 1 + percent / 100;

/** `USE_EVENT_DRIVEN` of a stage: events are authoritative. */
export const usesEvents = (stage: Stage): boolean => PATHS[stage].authoritative === 'events';

/** `USE_EVENT_DRIVEN` of the whole: true once every job is in `live` or beyond. */
export const allUseEvents = (position: Position): boolean => progressOf(position) >= rankOf('live');
