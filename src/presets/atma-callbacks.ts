/**
 * The callbacks that ATMA's worker sends, with the bodies that it sends today. Two of them are refused as they stand, and
 * stay as they are here: the notification service wants snake case and `assessment_name`, the assessment service no null
 * `resultId` (docs/shadow.md). Whoever mends that mends it in the services; the dispatcher must not change what is sent.
 * `analysis.started` has no callback.
 */
import type { CallbackField, CallbackRoute } from '../core/migration/callback-route.js';

const userId: CallbackField = ['userId'];
const jobId: CallbackField = ['jobId'];
const resultId: CallbackField = ['resultId'];
const errorMessage: CallbackField = ['errorMessage'];
const completed: CallbackField = { constant: 'completed' };
const failed: CallbackField = { constant: 'failed' };

export const atmaCallbacks: readonly CallbackRoute[] = [
  {
    eventType: 'analysis.completed',
    service: 'notification',
    method: 'POST',
    path: '/notifications/analysis-complete',
    body: { userId, jobId, resultId, status: completed },
  },
  {
    eventType: 'analysis.failed',
    service: 'notification',
    method: 'POST',
    path: '/notifications/analysis-failed',
    body: { userId, jobId, errorMessage, status: failed },
  },
  {
    eventType: 'analysis.completed',
    service: 'assessment',
    method: 'POST',
    path: '/assessments/callback/completed',
    body: { jobId, resultId, status: completed },
  },
  {
    eventType: 'analysis.failed',
    service: 'assessment',
    method: 'POST',
    path: '/assessments/callback/failed',
    body: { jobId, resultId, status: failed, errorMessage },
  },
];
