/** The drifts of ATMA's services, each in words that tell the operator what to fix. */
import { expect, test } from 'vitest';
import { compareRecords } from '../../src/shadow/compare.js';
import type { Finding } from '../../src/shadow/findings.js';
import { SHADOW, TOPOLOGY } from './scene.js';
import { type Book, bytesOf, createBook, type Job, makeJob, mulberry32, START } from './traffic.js';

async function findingsOf(write: (job: Job, book: Book) => void): Promise<readonly Finding[]> {
  const book = createBook();
  write(makeJob(START, mulberry32(1)), book);
  const { callbacks, events } = book.traffic();
  const { findings } = await compareRecords({
    mapping: SHADOW,
    topology: TOPOLOGY,
    callbacks: bytesOf(callbacks),
    events: bytesOf(events),
  });
  return findings;
}

test('snake case and the missing assessment_name: the notification service refuses what the worker sends', async () => {
  const findings = await findingsOf((job, book) => {
    book.callback(job, 'notification', 'completed', { status: 400, answer: '{"error":"VALIDATION_ERROR"}' });
    book.callback(job, 'assessment', 'completed');
    book.event(job, 'completed');
  });
  expect(findings).toMatchObject([
    {
      outcome: 'refused',
      eventType: 'analysis.completed',
      consumer: 'notification',
      count: 1,
      says: 'The notification service answered 400 to POST /notifications/analysis-complete: it wants result_id (snake case), and the body has resultId; assessment_name is required, and the body has none. It said: {"error":"VALIDATION_ERROR"}',
      fix: 'Send result_id instead of resultId, or let the notification service accept both. Add assessment_name to the body (the event has it as metadata.assessmentName), or make it optional in the notification service. Until then this callback never arrives.',
    },
  ]);
});

test('snake case of a failure: error_message', async () => {
  const findings = await findingsOf((job, book) => {
    book.callback(job, 'notification', 'failed', {
      status: 400,
      body: {
        jobId: job.jobId,
        userId: job.userId,
        status: 'gagal',
        errorMessage: job.errorMessage,
        assessment_name: 'AI-Driven Talent Mapping',
      },
    });
    book.event(job, 'failed');
  });
  expect(findings.find(({ outcome }) => outcome === 'refused')).toMatchObject({
    says: 'The notification service answered 400 to POST /notifications/analysis-failed: it wants error_message (snake case), and the body has errorMessage.',
    fix: 'Send error_message instead of errorMessage, or let the notification service accept both. Until then this callback never arrives.',
  });
});

test('the singular path, which nobody answers', async () => {
  const findings = await findingsOf((job, book) => {
    book.callback(job, 'assessment', 'completed', { path: '/assessment/callback/completed', status: 404 });
    book.event(job, 'completed');
  });
  expect(findings.find(({ consumer }) => consumer === 'assessment')).toMatchObject({
    outcome: 'refused',
    says: 'The assessment service answered 404 to POST /assessment/callback/completed: the path is not the one it listens on, /assessments/callback/completed.',
    fix: 'Correct the path in the sender: /assessments/callback/completed instead of /assessment/callback/completed.',
  });
});

test('a null resultId of a failure', async () => {
  const findings = await findingsOf((job, book) => {
    book.callback(job, 'assessment', 'failed', { status: 400 });
    book.event(job, 'failed');
  });
  expect(findings.find(({ consumer }) => consumer === 'assessment')).toMatchObject({
    outcome: 'refused',
    says: 'The assessment service answered 400 to POST /assessments/callback/failed: resultId is null, which it does not accept.',
    fix: 'Leave resultId out or let the assessment service accept null: analysis.failed may have none. Until then this callback never arrives.',
  });
});

test('a receiver that accepts snake case and its own words for the outcome gets the same fact', async () => {
  const findings = await findingsOf((job, book) => {
    book.callback(job, 'assessment', 'completed');
    book.callback(job, 'notification', 'completed', {
      body: {
        userId: job.userId,
        job_id: job.jobId,
        result_id: job.resultId,
        status: 'berhasil',
        assessment_name: 'AI-Driven Talent Mapping',
      },
    });
    book.event(job, 'completed');
  });
  expect(findings).toEqual([]);
});

test('opposite outcomes are one mismatch, with what each path said', async () => {
  const findings = await findingsOf((job, book) => {
    for (const consumer of ['notification', 'assessment'] as const) book.callback(job, consumer, 'completed');
    book.event(job, 'failed');
  });
  expect(findings).toMatchObject([
    { outcome: 'mismatch', evidence: 'bad', eventType: 'analysis.completed', consumer: 'assessment' },
    { outcome: 'mismatch', evidence: 'bad', eventType: 'analysis.completed', consumer: 'notification' },
  ]);
  expect(findings[1]?.says).toBe(
    'The callback and the event do not say the same: outcome is analysis.completed by HTTP and analysis.failed in the event.',
  );
});

test('a routing key that no binding knows is told as unroutable, with what to bind', async () => {
  const findings = await findingsOf((job, book) => {
    book.callback(job, 'notification', 'completed');
    book.event(job, 'completed', { routingKey: 'analysis_complete' });
  });
  expect(findings.find(({ consumer }) => consumer === 'notification')).toMatchObject({
    outcome: 'missingEvent',
    says: 'The analysis.completed event was published, and no binding leads it to analysis_events_notifications.',
  });
});
