/** Jobs for the services of examples/atma, and what they are to come to. */
export type ServiceName = 'analysis-worker' | 'notification-service' | 'assessment-service';

export interface EffectRow {
  readonly fact: string;
  readonly effect: string;
  readonly path: string;
}

export interface Job {
  readonly jobId: string;
  readonly userId: string;
  readonly userEmail: string;
  readonly assessmentName: string;
  readonly outcome?: 'failed';
  readonly delayMs?: number;
}

const guid = (kind: number, n: number) =>
  `${String(kind).padStart(8, '0')}-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** Every fifth fails. Each user has ten jobs. */
export function jobOf(n: number, more: Pick<Job, 'delayMs'> = {}): Job {
  return {
    ...{ jobId: guid(1, n), userId: guid(2, Math.floor(n / 10)), userEmail: 'user@example.com' },
    ...{ assessmentName: 'AI-Driven Talent Mapping', ...(n % 5 === 0 && { outcome: 'failed' }), ...more },
  };
}

export const jobsOf = (from: number, to: number, more: Pick<Job, 'delayMs'> = {}): Job[] =>
  Array.from({ length: to - from }, (_, index) => jobOf(from + index, more));

/** What the jobs are to come to, as `<type> <job> <effect>`. */
export function expectedEffects(jobs: readonly Job[], name: ServiceName): string[] {
  return jobs
    .flatMap(({ jobId, outcome }) => {
      const fact = `analysis.${outcome ?? 'completed'} ${jobId}`;
      if (name === 'notification-service') return [`${fact} push`];
      return outcome === 'failed' ? [`${fact} status`, `${fact} refund`] : [`${fact} status`];
    })
    .toSorted();
}

export function effectsHad(rows: readonly EffectRow[]): string[] {
  return rows
    .map(({ fact, effect }) => {
      const [type, jobId] = fact.split(':');
      return `${type} ${jobId} ${effect}`;
    })
    .toSorted();
}
