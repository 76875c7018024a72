/** The drifts of ATMA's services, as the operator reads them: what was answered, why, and what to change. */
import { expect, it } from 'vitest';
import { type Book, createBook, type Job, makeJob, mulberry32, START } from '../shadow/traffic.js';
import { recordingsOf } from './shadow-recordings.js';

/** What the report says is not in order, without the numbers before it. */
async function reported(write: (job: Job, book: Book) => void): Promise<string> {
  const book = createBook();
  write(makeJob(START, mulberry32(1)), book);
  const { exitCode, stdout } = await recordingsOf(book.traffic()).compare();
  // One leg proves nothing, and a refused callback is no evidence against the events.
  expect(exitCode).toBe(6);
  return stdout.slice(stdout.indexOf('What is not in order'), stdout.indexOf('How long it takes'));
}

it('snake case, and assessment_name that the worker does not send', async () => {
  const text = await reported((job, book) => {
    book.callback(job, 'notification', 'completed', { status: 400, answer: '{"error":"VALIDATION_ERROR"}' });
    book.callback(job, 'assessment', 'completed');
    book.event(job, 'completed');
  });
  expect(text).toContain('1. 1 × refused, analysis.completed × notification (no evidence)\n');
  expect(text).toContain(
    '   The notification service answered 400 to POST /notifications/analysis-complete: it wants result_id (snake case), and the body has resultId; assessment_name is required, and the body has none. It said: {"error":"VALIDATION_ERROR"}\n',
  );
  expect(text).toContain(
    '   To do: Send result_id instead of resultId, or let the notification service accept both. Add assessment_name to the body (the event has it as metadata.assessmentName), or make it optional in the notification service. Until then this callback never arrives.\n',
  );
  const { jobId } = makeJob(START, mulberry32(1));
  expect(text).toMatch(
    new RegExp(`   Example: job ${jobId}, 2024-01-01T.*, callback in line [12], event in line 1\n`),
  );
});

it('the singular path, which nobody listens on', async () => {
  const text = await reported((job, book) => {
    book.callback(job, 'notification', 'completed');
    book.callback(job, 'assessment', 'completed', { path: '/assessment/callback/completed', status: 404 });
    book.event(job, 'completed');
  });
  expect(text).toContain('1. 1 × refused, analysis.completed × assessment (no evidence)\n');
  expect(text).toContain(
    '   The assessment service answered 404 to POST /assessment/callback/completed: the path is not the one it listens on, /assessments/callback/completed.\n',
  );
  expect(text).toContain(
    '   To do: Correct the path in the sender: /assessments/callback/completed instead of /assessment/callback/completed.\n',
  );
});

it('a resultId that is null', async () => {
  const text = await reported((job, book) => {
    book.callback(job, 'notification', 'failed');
    book.callback(job, 'assessment', 'failed', { status: 400 });
    book.event(job, 'failed');
  });
  expect(text).toContain('1. 1 × refused, analysis.failed × assessment (no evidence)\n');
  expect(text).toContain(
    '   The assessment service answered 400 to POST /assessments/callback/failed: resultId is null, which it does not accept.\n',
  );
  expect(text).toContain(
    '   To do: Leave resultId out or let the assessment service accept null: analysis.failed may have none. Until then this callback never arrives.\n',
  );
});

it('a caller that would not wait', async () => {
  const text = await reported((job, book) => {
    book.callback(job, 'notification', 'completed');
    book.callback(job, 'assessment', 'completed', { status: null, failure: 'client-gone' });
    book.event(job, 'completed');
  });
  expect(text).toContain(
    '   The caller went away before the assessment service had answered POST /assessments/callback/completed: whether it was accepted is not known.\n',
  );
  expect(text).toContain('   To do: See what the sender waits for at most (its timeout)');
});
