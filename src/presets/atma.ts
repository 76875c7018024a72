/**
 * ATMA: three analysis events on one topic exchange, for the notification and the assessment service.
 * Sources: the migration plan (event data, variables) and the services as they run (queue arguments,
 * message ids). Provisioned like this, the services start against it unchanged: they assert their queues
 * with exactly these arguments.
 */
import { z } from 'zod';
import { defineCatalog, defineEvent } from '../core/events/catalog.js';
import { bind, exchange, queue, type Topology } from '../core/topology/model.js';
import { atmaCallbacks } from './atma-callbacks.js';
import { atmaShadow } from './atma-shadow.js';
import type { Environment, Preset } from './preset.js';

/** A field that is not there is reported as missing, not as ill-formed. */
const expected = (what: string) => ({
  error: ({ input }: { input?: unknown }) => (input === undefined ? undefined : `expected ${what}`),
});
const uuid = z.guid(expected('a UUID'));
const job = {
  jobId: uuid,
  userId: uuid,
  userEmail: z.email(expected('an e-mail address')),
};
const metadata = {
  assessmentName: z.string().min(1),
  retryCount: z.int().min(0).optional(),
};
const processingTime = z.number().min(0);

const completed = z.object({
  ...job,
  resultId: uuid,
  metadata: z.object({ ...metadata, processingTime }),
});

const failed = z.object({
  ...job,
  resultId: uuid.nullish(),
  errorMessage: z.string(),
  metadata: z.object({
    ...metadata,
    processingTime: processingTime.nullish(),
    errorType: z.string().optional(),
  }),
});

const started = z.object({
  ...job,
  resultId: uuid.nullish(),
  metadata: z.object({
    ...metadata,
    estimatedProcessingTime: z.union([processingTime, z.string()]).nullish(),
  }),
});

const SAMPLE_JOB = {
  jobId: '3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b',
  userId: '9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d',
  userEmail: 'user@example.com',
};
const ASSESSMENT_NAME = 'AI-Driven Talent Mapping';

/** `<jobId>-<eventType>-<epoch ms>`, as the worker writes it today. */
const idOf = (type: string) => (data: { jobId: string }, time: Date) =>
  `${data.jobId}-${type}-${time.getTime()}`;

const jobOf = ({ jobId }: { jobId: string }) => jobId;

function atmaCatalog(exchangeName: string) {
  return defineCatalog(
    defineEvent({
      type: 'analysis.completed',
      description: 'An analysis succeeded; its result is stored.',
      schema: completed,
      exchange: exchangeName,
      wire: 'flat',
      id: idOf('analysis.completed'),
      fact: ({ jobId, resultId }) => `analysis.completed:${jobId}:${resultId}`,
      job: jobOf,
      sample: {
        ...SAMPLE_JOB,
        resultId: '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed',
        metadata: { assessmentName: ASSESSMENT_NAME, processingTime: 5000, retryCount: 0 },
      },
    }),
    defineEvent({
      type: 'analysis.failed',
      description: 'An analysis failed for good; its tokens are refunded.',
      schema: failed,
      exchange: exchangeName,
      wire: 'flat',
      id: idOf('analysis.failed'),
      fact: ({ jobId }) => `analysis.failed:${jobId}`,
      job: jobOf,
      sample: {
        ...SAMPLE_JOB,
        resultId: null,
        errorMessage: 'AI service did not answer in time',
        metadata: {
          assessmentName: ASSESSMENT_NAME,
          processingTime: 30000,
          retryCount: 3,
          errorType: 'AI_TIMEOUT',
        },
      },
    }),
    defineEvent({
      type: 'analysis.started',
      description: 'A worker took up an analysis.',
      schema: started,
      exchange: exchangeName,
      wire: 'flat',
      id: idOf('analysis.started'),
      fact: ({ jobId }) => `analysis.started:${jobId}`,
      job: jobOf,
      sample: {
        ...SAMPLE_JOB,
        resultId: null,
        metadata: { assessmentName: ASSESSMENT_NAME, estimatedProcessingTime: 60000, retryCount: 0 },
      },
    }),
  );
}

/** Event types and schemas of ATMA. */
export type AtmaEvents = NonNullable<ReturnType<typeof atmaCatalog>['map']>;

const EVENT_TYPES = ['analysis.completed', 'analysis.failed', 'analysis.started'];

function atmaTopology(exchangeName: string, notifications: string, assessments: string): Topology {
  const dlx = `${exchangeName}_dlx`;
  const consumers = [
    { name: notifications, deadLetterKey: 'notifications.dlq' },
    { name: assessments, deadLetterKey: 'assessments.dlq' },
  ];
  return {
    exchanges: [exchange(exchangeName, 'topic'), exchange(dlx, 'direct')],
    queues: [
      ...consumers.map(({ name, deadLetterKey }) =>
        queue(name, { 'x-dead-letter-exchange': dlx, 'x-dead-letter-routing-key': deadLetterKey }),
      ),
      ...consumers.map(({ name }) => queue(`${name}_dlq`)),
    ],
    bindings: [
      ...consumers.flatMap(({ name }) => bind(exchangeName, name, ...EVENT_TYPES)),
      ...consumers.flatMap(({ name, deadLetterKey }) => bind(dlx, `${name}_dlq`, deadLetterKey)),
    ],
  };
}

/** The job queue's, which the worker declares: dead letters pile up there that nobody looks at. */
const FOREIGN_DEAD_LETTER_QUEUES = ['assessment_analysis_dlq'];

/** The preset of ATMA. Reads the plan's variables for its names (section 4.2 of the plan). */
export const atma: Preset<AtmaEvents> = {
  name: 'atma',
  build(environment: Environment) {
    const exchangeName = environment.EVENTS_EXCHANGE_NAME || 'atma_events_exchange';
    const notifications = environment.EVENTS_QUEUE_NAME_NOTIFICATIONS || 'analysis_events_notifications';
    const assessments = environment.EVENTS_QUEUE_NAME_ASSESSMENTS || 'analysis_events_assessments';
    return {
      catalog: atmaCatalog(exchangeName),
      topology: atmaTopology(exchangeName, notifications, assessments),
      deadLetterQueues: FOREIGN_DEAD_LETTER_QUEUES,
      shadow: atmaShadow(notifications, assessments),
      callbacks: atmaCallbacks,
    };
  },
};
