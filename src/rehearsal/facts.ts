/** The jobs that a rehearsal has driven, what each should come to, and what the services noted about it. */
import { PATHS, type Stage } from '../core/migration/stage.js';

export const SERVICES = ['notification', 'assessment'] as const;
export type ServiceName = (typeof SERVICES)[number];

export type EffectPath = 'callback' | 'event';

/** One line of a service's `GET /effects`. */
export interface NotedEffect {
  readonly service: ServiceName;
  readonly fact: string;
  readonly effect: string;
  readonly path: EffectPath;
}

/** A stage of the walk. `off` comes twice: `back` is the second time. */
export type Leg = Stage | 'back';

export interface Job {
  readonly id: string;
  readonly userId: string;
  readonly fails: boolean;
  readonly leg: Leg;
  /** The flag was moved while it was on its way: either path may have counted. */
  readonly inFlight: boolean;
  /** Noted effects: paths, in the order in which they were told, by `service effect`. */
  readonly noted: Map<string, EffectPath[]>;
}

/** Whose effects count in a stage of the walk. */
export function countingPath(leg: Leg): EffectPath {
  const { authoritative } = PATHS[leg === 'back' ? 'off' : leg];
  return authoritative === 'events' ? 'event' : 'callback';
}

export const expectedEffects = ({ fails }: Pick<Job, 'fails'>): readonly string[] =>
  fails
    ? ['notification push', 'assessment status', 'assessment refund']
    : ['notification push', 'assessment status'];

export const isSettled = (job: Job): boolean => expectedEffects(job).every((name) => job.noted.has(name));

/** `analysis.failed:JOB` or `analysis.completed:JOB:RESULT`, as the catalog names facts. */
const FACT = /^analysis\.(completed|failed):([0-9a-f-]{36})(?::|$)/;

export interface FactBook {
  readonly jobs: ReadonlyMap<string, Job>;
  /** Effects of facts that nobody drove, or that their fact does not have. */
  readonly strays: readonly NotedEffect[];
  add(job: Omit<Job, 'noted'>): Job;
  note(effect: NotedEffect): void;
  /** Jobs without all their effects. */
  open(): number;
  /** Effects noted so far, strays too. */
  effects(): number;
  /** The one noted last. */
  latest(): NotedEffect | undefined;
}

export function createFactBook(): FactBook {
  const jobs = new Map<string, Job>();
  const strays: NotedEffect[] = [];
  let settled = 0;
  let effects = 0;
  let latest: NotedEffect | undefined;
  return {
    jobs,
    strays,
    add(plan) {
      const job: Job = { ...plan, noted: new Map() };
      jobs.set(job.id, job);
      return job;
    },
    note(noted) {
      effects++;
      latest = noted;
      const [, outcome, id = ''] = FACT.exec(noted.fact) ?? [];
      const job = jobs.get(id);
      const name = `${noted.service} ${noted.effect}`;
      const isOfFact =
        job !== undefined && (outcome === 'failed') === job.fails && expectedEffects(job).includes(name);
      if (!isOfFact) {
        strays.push(noted);
        return;
      }
      const before = isSettled(job);
      job.noted.set(name, [...(job.noted.get(name) ?? []), noted.path]);
      if (!before && isSettled(job)) settled++;
    },
    open: () => jobs.size - settled,
    effects: () => effects,
    latest: () => latest,
  };
}
