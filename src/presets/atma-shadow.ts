/**
 * ATMA's callbacks and the events that replace them. Bodies and drifts are those of the services as they run: the
 * worker sends camel case; the notification service has come to insist on snake case and `assessment_name`; one version
 * of the worker calls `/assessment/callback/…`, which nobody answers; the assessment service refuses a null `resultId`.
 */
import type { ShadowMapping } from '../core/shadow-mapping.js';

type Leg = ShadowMapping['legs'][number];
type Field = NonNullable<Leg['fields']>[number];

/** The services' words for the two outcomes. */
const OUTCOMES = [
  ['completed', 'berhasil'],
  ['failed', 'gagal'],
];

const jobId = ['jobId', 'job_id'];
const event = { job: ['jobId'], tookMs: ['metadata.processingTime'] };

const userId: Field = { name: 'userId', callback: ['userId', 'user_id'], event: ['userId'] };
const resultId: Field = {
  name: 'resultId',
  callback: ['resultId', 'result_id'],
  event: ['resultId'],
  identifies: true,
};
const errorMessage: Field = {
  name: 'errorMessage',
  callback: ['errorMessage', 'error_message'],
  event: ['errorMessage'],
};
const assessmentName: Field = {
  name: 'assessmentName',
  callback: ['assessmentName', 'assessment_name'],
  event: ['metadata.assessmentName'],
  optional: true,
};
const status = (outcome: string): Field => ({
  name: 'status',
  callback: ['status'],
  event: { constant: outcome },
  same: OUTCOMES,
});

/** What the events have and the callbacks do not. */
const EVENT_ONLY = [
  ...['eventType', 'timestamp', 'userEmail', 'metadata.processingTime', 'metadata.retryCount'],
  ...['metadata.errorType', 'metadata.estimatedProcessingTime'],
];
/** The assessment service's callbacks name neither the user nor the assessment. */
const NOT_FOR_ASSESSMENT = [...EVENT_ONLY, 'userId', 'metadata.assessmentName'];

/** The legs of both consumers. `redact` names what must not be stored though it is not compared today. */
export function atmaShadow(notifications: string, assessments: string): ShadowMapping {
  const toNotification = { consumer: 'notification', queue: notifications };
  const toAssessment = { consumer: 'assessment', queue: assessments };
  const snakeCase = {
    resultId: { field: 'result_id', insteadOf: ['resultId'] },
    errorMessage: { field: 'error_message', insteadOf: ['errorMessage'] },
    assessmentName: { field: 'assessment_name', insteadOf: ['assessmentName'] },
  };
  return {
    legs: [
      {
        ...toNotification,
        eventType: 'analysis.completed',
        fact: 'outcome',
        callback: {
          method: 'POST',
          path: '/notifications/analysis-complete',
          job: jobId,
          expects: [snakeCase.resultId, snakeCase.assessmentName],
        },
        event,
        fields: [userId, resultId, status('completed'), assessmentName],
        ignore: { event: EVENT_ONLY },
      },
      {
        ...toNotification,
        eventType: 'analysis.failed',
        fact: 'outcome',
        callback: {
          method: 'POST',
          path: '/notifications/analysis-failed',
          job: jobId,
          expects: [snakeCase.errorMessage, snakeCase.assessmentName],
        },
        event,
        fields: [userId, status('failed'), errorMessage, assessmentName],
        ignore: { event: [...EVENT_ONLY, 'resultId'] },
      },
      {
        ...toAssessment,
        eventType: 'analysis.completed',
        fact: 'outcome',
        callback: {
          method: 'POST',
          path: '/assessments/callback/completed',
          aliases: ['/assessment/callback/completed'],
          job: jobId,
          expects: [{ field: 'resultId' }],
        },
        event,
        fields: [resultId, status('completed')],
        ignore: { event: NOT_FOR_ASSESSMENT },
      },
      {
        ...toAssessment,
        eventType: 'analysis.failed',
        fact: 'outcome',
        callback: {
          method: 'POST',
          path: '/assessments/callback/failed',
          aliases: ['/assessment/callback/failed'],
          job: jobId,
          expects: [{ field: 'resultId' }],
        },
        event,
        fields: [resultId, status('failed'), errorMessage],
        ignore: { event: NOT_FOR_ASSESSMENT },
      },
      ...[toNotification, toAssessment].map(
        (consumer): Leg => ({
          ...consumer,
          eventType: 'analysis.started',
          begins: true,
          event: { job: ['jobId'] },
          ignore: { event: [...NOT_FOR_ASSESSMENT, 'resultId'] },
        }),
      ),
    ],
    redact: ['userEmail'],
  };
}
