/** What a rehearsal's exchanges and queues are called, and all that it may leave behind on a broker that is not its own. */
import type { Topology } from '../core/topology/model.js';
import type { Survey } from '../core/transport.js';
import type { Environment } from '../presets/preset.js';

/** Milliseconds before each further attempt, as the services are told: a delay queue each. */
export const RETRY_DELAYS_MS = [300, 600, 1_200, 2_400, 4_800] as const;

export interface Names {
  /** Empty on a broker of its own. */
  readonly prefix: string;
  readonly exchange: string;
  readonly deadLetterExchange: string;
  readonly notifications: string;
  readonly assessments: string;
  readonly jobExchange: string;
  readonly jobs: string;
  /** For `connect()`, the commands and the worker. */
  readonly environment: Environment;
}

const PREFIX = /^rehearsal_[0-9a-f]{8}_$/;

export function namesOf(prefix: string): Names {
  if (prefix !== '' && !PREFIX.test(prefix)) throw new RangeError(`not a prefix: ${prefix}`);
  const exchange = `${prefix}atma_events_exchange`;
  const notifications = `${prefix}analysis_events_notifications`;
  const assessments = `${prefix}analysis_events_assessments`;
  const jobExchange = `${prefix}atma_exchange`;
  const jobs = `${prefix}assessment_analysis`;
  return {
    ...{ prefix, exchange, notifications, assessments, jobExchange, jobs },
    deadLetterExchange: `${exchange}_dlx`,
    environment: {
      EVENTS_EXCHANGE_NAME: exchange,
      EVENTS_QUEUE_NAME_NOTIFICATIONS: notifications,
      EVENTS_QUEUE_NAME_ASSESSMENTS: assessments,
      JOB_EXCHANGE_NAME: jobExchange,
      JOB_QUEUE_NAME: jobs,
    },
  };
}

/** The dead-letter queue behind a queue of ours. */
export const deadLettersOf = (queue: string): string => `${queue}_dlq`;

/** Queues that hold something to be done: all of them are empty when everything is over. */
export function workingQueues({ notifications, assessments, jobs }: Names): readonly string[] {
  return [jobs, notifications, assessments];
}

/**
 * What to remove from a shared broker: what we know that we made, and whatever else begins with our prefix, which nobody else
 * has. Taps vanish by themselves. Throws where there is no prefix: nothing there is ours to remove.
 */
export function removals(
  names: Names,
  topology: Topology,
  survey: Survey,
): { readonly queues: readonly string[]; readonly exchanges: readonly string[] } {
  if (!PREFIX.test(names.prefix)) throw new RangeError('without a prefix nothing is removed');
  const working = workingQueues(names);
  const queues = [
    ...working,
    ...working.map(deadLettersOf),
    ...working.flatMap((queue) => RETRY_DELAYS_MS.map((ms) => `${queue}.retry.${ms}`)),
    ...topology.queues.map(({ name }) => name),
    ...(survey.state === 'known' ? survey.queues.map(({ name }) => name) : []),
  ];
  const exchanges = [
    names.jobExchange,
    ...topology.exchanges.map(({ name }) => name),
    ...(survey.state === 'known' ? survey.exchanges.map(({ name }) => name) : []),
  ];
  const ours = (all: readonly string[]) => [...new Set(all)].filter((name) => name.startsWith(names.prefix));
  return { queues: ours(queues), exchanges: ours(exchanges) };
}
