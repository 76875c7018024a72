/** How the worker says what happened: by the dispatcher, or by the old functions, which stay until nobody calls them. */
import { deprecatedNotificationService } from 'atma-events';

export function createTeller(dispatcher, style, log) {
  const started = (data) => dispatcher.analysisStarted(data); // the old functions have nothing for it
  if (style !== 'deprecated') {
    return {
      started,
      completed: (data) => dispatcher.analysisCompleted(data),
      failed: (data) => dispatcher.analysisFailed(data),
    };
  }
  const old = deprecatedNotificationService(dispatcher, {
    warn: (message, code) => log.warn('deprecated', { code, message }),
  });
  // One call for each service, as today's processors do. The second joins the first: nothing is sent twice.
  return {
    started,
    completed: (data) =>
      Promise.all([old.sendAnalysisCompleteNotification(data), old.updateAssessmentJobStatus(data)]),
    failed: (data) =>
      Promise.all([old.sendAnalysisFailureNotification(data), old.updateAssessmentJobStatusFailed(data)]),
  };
}
