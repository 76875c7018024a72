/** The worker's old functions on a dispatcher: what they warn of, and that two calls for one fact send it once. */
import { expect, it, onTestFinished, vi } from 'vitest';
import { EventsError } from '../../src/core/errors.js';
import type { StageSource } from '../../src/core/migration/stage-source.js';
import { type DeprecatedOptions, deprecatedNotificationService } from '../../src/migration/deprecated.js';
import { createDispatcher } from '../../src/migration/dispatcher.js';
import { type AtmaEvents, atma } from '../../src/presets/atma.js';

const { catalog, callbacks: routes = [] } = atma.build({});

const completedJob = (jobId: string) => ({
  jobId,
  userId: '9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d',
  userEmail: 'user@example.com',
  resultId: '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed',
  metadata: { assessmentName: 'Talent', processingTime: 5 },
});
const JOB = '3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b';
const completed = completedJob(JOB);
const failed = { ...completed, resultId: null, errorMessage: 'AI did not answer' };

function stand(options: DeprecatedOptions = {}) {
  /** Paths that callbacks were sent to, in their order. */
  const sent: string[] = [];
  const warnings: string[] = [];
  const scene = { time: 0, send: async (_service: string): Promise<void> => undefined };
  const stages: StageSource = { decide: () => ({ stage: 'off', epoch: 0, inSample: false }) };
  const dispatcher = createDispatcher<AtmaEvents>({
    ...{ catalog, routes, stages },
    publisher: { publish: () => Promise.reject(new Error('there are no events in off')) },
    callbacks: {
      async send({ service, path }) {
        sent.push(path);
        await scene.send(service);
        return { status: 200, attempts: 1, tookMs: 1, requestId: 'r' };
      },
    },
  });
  const service = deprecatedNotificationService(dispatcher, {
    now: () => scene.time,
    warn: (text, code) => warnings.push(`${code} ${text}`),
    ...options,
  });
  return { service, sent, warnings, scene };
}

const BOTH = ['/notifications/analysis-complete', '/assessments/callback/completed'];

it('each warns once, and says what to call instead', async () => {
  const { service, warnings } = stand();
  for (const each of [1, 2]) {
    const data = completedJob(`3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a0${each}`);
    await service.sendAnalysisCompleteNotification(data);
    await service.updateAssessmentJobStatus(data);
    await service.sendAnalysisFailureNotification({ ...data, errorMessage: 'no' });
    await service.updateAssessmentJobStatusFailed({ ...data, errorMessage: 'no' });
  }
  expect(warnings).toEqual([
    'ATMA_DEP01 sendAnalysisCompleteNotification() is deprecated: tell what happened once, with dispatcher.analysisCompleted(data)',
    'ATMA_DEP03 updateAssessmentJobStatus() is deprecated: tell what happened once, with dispatcher.analysisCompleted(data)',
    'ATMA_DEP02 sendAnalysisFailureNotification() is deprecated: tell what happened once, with dispatcher.analysisFailed(data)',
    'ATMA_DEP04 updateAssessmentJobStatusFailed() is deprecated: tell what happened once, with dispatcher.analysisFailed(data)',
  ]);
});

it('without anybody else told, the warning is one of the process, with its code', async () => {
  const spy = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  onTestFinished(() => spy.mockRestore());
  const dispatcher = { dispatch: () => Promise.reject(new Error('closed')), factOf: () => undefined };
  const service = deprecatedNotificationService(dispatcher);
  await expect(service.updateAssessmentJobStatus(completed)).rejects.toThrow('closed');
  expect(spy.mock.calls).toEqual([
    [
      expect.stringContaining('updateAssessmentJobStatus()'),
      { type: 'DeprecationWarning', code: 'ATMA_DEP03' },
    ],
  ]);
});

it('the second function joins the first for the same fact: each callback is sent once', async () => {
  const { service, sent } = stand();
  const both = await Promise.all([
    service.updateAssessmentJobStatus(completed),
    service.sendAnalysisCompleteNotification(completed),
  ]);
  expect(both[1]).toBe(both[0]);
  expect(sent).toEqual(BOTH);
  // Also after the first has ended, and by the same function.
  await service.sendAnalysisCompleteNotification(completed);
  expect(sent).toEqual(BOTH);
});

it('another job, and another outcome of the same job, are facts of their own', async () => {
  const { service, sent } = stand();
  await service.sendAnalysisCompleteNotification(completed);
  await service.sendAnalysisCompleteNotification(completedJob('3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a00'));
  await service.sendAnalysisFailureNotification(failed);
  expect(sent).toEqual([...BOTH, ...BOTH, '/notifications/analysis-failed', '/assessments/callback/failed']);
});

it('a failure reaches both functions; whoever calls again after that sends again', async () => {
  const { service, sent, scene } = stand();
  scene.send = async (name) => {
    if (name === 'notification') throw new EventsError('unreachable', 'notification is down');
  };
  const unreachable = { code: 'unreachable' };
  await expect(service.updateAssessmentJobStatus(completed)).rejects.toMatchObject(unreachable);
  await expect(service.sendAnalysisCompleteNotification(completed)).rejects.toMatchObject(unreachable);
  expect(sent).toEqual(BOTH);
  scene.send = async () => undefined;
  // The job queue delivers the job again.
  await service.updateAssessmentJobStatus(completed);
  await service.sendAnalysisCompleteNotification(completed);
  expect(sent).toEqual([...BOTH, ...BOTH]);
});

it('after ten minutes a call sends again', async () => {
  const { service, sent, scene } = stand();
  await service.updateAssessmentJobStatus(completed);
  scene.time = 599_999;
  await service.sendAnalysisCompleteNotification(completed);
  expect(sent).toEqual(BOTH);
  scene.time = 600_000;
  await service.sendAnalysisCompleteNotification(completed);
  expect(sent).toEqual([...BOTH, ...BOTH]);
});

it('remembers no more facts than it is told to: the oldest is forgotten first', async () => {
  const { service, sent } = stand({ maxFacts: 2 });
  const job = (n: number) => completedJob(`3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a0${n}`);
  for (const n of [1, 2, 3]) await service.updateAssessmentJobStatus(job(n));
  await service.sendAnalysisCompleteNotification(job(3));
  await service.sendAnalysisCompleteNotification(job(2));
  expect(sent).toHaveLength(6);
  await service.sendAnalysisCompleteNotification(job(1));
  expect(sent).toHaveLength(8);
});

it('data without what names their fact are never joined', async () => {
  const { service, sent } = stand();
  const { resultId: _, ...unnamed } = completed;
  await service.updateAssessmentJobStatus(unnamed as typeof completed);
  await service.sendAnalysisCompleteNotification({
    ...unnamed,
    jobId: undefined,
  } as unknown as typeof completed);
  expect(sent).toHaveLength(4);
});
