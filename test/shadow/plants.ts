/** Faults to plant, each on a job of its own, and what must be found of it: the budget is 5 s, the window 60 s. */
import { type Book, CONSUMERS, type Job } from './traffic.js';

type Plant = (job: Job, book: Book) => void;

/** Started and both callbacks of a completed job, as they should be. */
function begun(job: Job, book: Book): void {
  book.started(job);
  book.expect('started', 'both', 'match');
}
function called(job: Job, book: Book, type: 'completed' | 'failed' = 'completed'): void {
  for (const consumer of CONSUMERS) book.callback(job, consumer, type);
}

const later = (job: Job, ms: number): Job => ({
  ...job,
  resultId: job.uuid(),
  startedAt: job.startedAt + ms,
  at: job.at + ms,
});

export const PLANTS = {
  'another result in the event': (job, book) => {
    begun(job, book);
    called(job, book);
    book.event(job, 'completed', { body: { resultId: job.uuid() } });
    book.expect('completed', 'both', 'mismatch');
  },
  'completed by HTTP, failed by event': (job, book) => {
    begun(job, book);
    called(job, book);
    book.event(job, 'failed');
    book.expect('completed', 'both', 'mismatch');
  },
  'an event that changes what it said': (job, book) => {
    begun(job, book);
    called(job, book, 'failed');
    book.event(job, 'failed');
    book.event(job, 'failed', { at: job.at + 1_000, body: { errorMessage: 'another one' } });
    book.expect('failed', 'both', 'mismatch');
  },
  'no event': (job, book) => {
    begun(job, book);
    called(job, book);
    book.expect('completed', 'both', 'missingEvent');
  },
  'an event that no binding leads on': (job, book) => {
    begun(job, book);
    called(job, book);
    book.event(job, 'completed', { routingKey: 'analysis_complete' });
    book.expect('completed', 'both', 'missingEvent');
  },
  'an event that notification dead-letters': (job, book) => {
    begun(job, book);
    called(job, book);
    book.event(job, 'completed');
    book.event(job, 'completed', {
      at: job.at + 2_000,
      exchange: 'atma_events_exchange_dlx',
      routingKey: 'notifications.dlq',
      headers: { 'x-first-death-queue': 'analysis_events_notifications' },
    });
    book.expect('completed', 'notification', 'missingEvent');
    book.expect('completed', 'assessment', 'match');
  },
  'no callback to notification': (job, book) => {
    begun(job, book);
    book.callback(job, 'assessment', 'completed');
    book.event(job, 'completed');
    book.expect('completed', 'notification', 'missingCallback');
    book.expect('completed', 'assessment', 'match');
  },
  'a callback to an unknown path': (job, book) => {
    book.rawCallback(job.at, {
      method: 'POST',
      path: '/archive/done',
      body: { jobId: job.jobId },
      status: 200,
    });
    book.expectExtra();
  },
  'a callback without a job': (job, book) => {
    book.callback(job, 'assessment', 'completed', { body: { status: 'completed' } });
    book.expectExtra();
  },
  'an event of an unknown type': (job, book) => {
    const event = { exchange: 'atma_events_exchange', routingKey: 'analysis.archived', messageId: job.jobId };
    book.rawEvent(job.at, { ...event, type: 'analysis.archived', headers: {}, valid: false, event: {} });
    book.expectExtra();
  },
  'a callback sent again though it was accepted': (job, book) => {
    begun(job, book);
    called(job, book);
    book.callback(job, 'assessment', 'completed', { at: job.at + 5_000 });
    book.event(job, 'completed');
    book.expect('completed', 'notification', 'match');
    book.expect('completed', 'assessment', 'duplicate');
  },
  'an event delivered twice': (job, book) => {
    begun(job, book);
    called(job, book);
    for (const ms of [100, 900])
      book.event(job, 'completed', { at: job.at + ms, messageId: `${job.jobId}-one` });
    book.expect('completed', 'both', 'duplicate');
  },
  'failed published six times': (job, book) => {
    begun(job, book);
    called(job, book, 'failed');
    for (let n = 0; n < 6; n++) book.event(job, 'failed', { at: job.at + n * 20_000 });
    book.expect('failed', 'both', 'duplicate');
  },
  'started twice': (job, book) => {
    book.started(job);
    book.started(job, { at: job.startedAt + 500 });
    called(job, book);
    book.event(job, 'completed');
    book.expect('started', 'both', 'duplicate');
    book.expect('completed', 'both', 'match');
  },
  'an event beyond the budget': (job, book) => {
    begun(job, book);
    called(job, book);
    book.event(job, 'completed', { at: job.at + 20_000 });
    book.expect('completed', 'both', 'match');
    book.expectBeyondBudget('completed');
  },
  'an event after the leg was closed': (job, book) => {
    begun(job, book);
    called(job, book);
    book.event(job, 'completed', { at: job.at + 20 * 60_000 });
    book.expect('completed', 'both', 'late');
    book.expectBeyondBudget('completed');
  },
  'an event well before its callback': (job, book) => {
    begun(job, book);
    for (const consumer of CONSUMERS) book.callback(job, consumer, 'completed', { at: job.at + 30_000 });
    book.event(job, 'completed', { at: job.at });
    book.expect('completed', 'both', 'match');
  },
  'a callback after the leg was closed': (job, book) => {
    begun(job, book);
    for (const consumer of CONSUMERS) book.callback(job, consumer, 'completed', { at: job.at + 300_000 });
    book.event(job, 'completed', { at: job.at });
    book.expect('completed', 'both', 'match');
  },
  'a refused callback': (job, book) => {
    begun(job, book);
    book.callback(job, 'notification', 'completed', { status: 400, answer: '"result_id" is required' });
    book.callback(job, 'assessment', 'completed', { status: null });
    book.event(job, 'completed');
    book.expect('completed', 'both', 'refused');
  },
  'a callback accepted at the second try': (job, book) => {
    begun(job, book);
    called(job, book);
    book.callback(job, 'assessment', 'completed', { at: job.at - 1_000, status: 503 });
    book.event(job, 'completed');
    book.expect('completed', 'both', 'match');
  },
  'an invalid event': (job, book) => {
    begun(job, book);
    called(job, book);
    const errors = [{ path: 'metadata.processingTime', message: 'missing, expected number' }];
    book.event(job, 'completed', { valid: false, errors });
    book.expect('completed', 'both', 'invalid');
  },
  'an invalid event without a job': (job, book) => {
    const errors = [{ path: 'jobId', message: 'missing, expected string' }];
    book.event(job, 'completed', { valid: false, errors, body: { jobId: undefined } });
    book.expect('completed', 'both', 'invalid');
  },
  'a beginning after its outcome': (job, book) => {
    book.started(job, { at: job.at + 3_000 });
    called(job, book);
    book.event(job, 'completed');
    book.expect('started', 'both', 'outOfOrder');
    book.expect('completed', 'both', 'match');
  },
  'no beginning': (job, book) => {
    called(job, book);
    book.event(job, 'completed');
    book.expect('started', 'both', 'missingEvent');
    book.expect('completed', 'both', 'match');
  },
  'a job run again': (job, book) => {
    for (const attempt of [job, later(job, 10 * 60_000)]) {
      begun(attempt, book);
      called(attempt, book);
      book.event(attempt, 'completed');
      book.expect('completed', 'both', 'match');
    }
  },
  'a job run again that fails alike': (job, book) => {
    for (const attempt of [job, later(job, 10 * 60_000)]) {
      begun(attempt, book);
      called(attempt, book, 'failed');
      book.event(attempt, 'failed');
      book.expect('failed', 'both', 'match');
    }
  },
  'a job that failed and was run again with success, its first event lost': (job, book) => {
    const again = later(job, 10 * 60_000);
    begun(job, book);
    called(job, book, 'failed');
    book.expect('failed', 'both', 'missingEvent');
    begun(again, book);
    called(again, book);
    book.event(again, 'completed');
    book.expect('completed', 'both', 'match');
  },
  'events of two attempts the wrong way round': (job, book) => {
    const again = later(job, 40_000);
    begun(job, book);
    called(job, book);
    called(again, book);
    book.started(again, { at: job.at + 20_000 });
    book.expect('started', 'both', 'match');
    book.event(again, 'completed', { at: again.at + 500 });
    book.event(job, 'completed', { at: again.at + 1_000 });
    book.expect('completed', 'both', 'match');
    book.expectBeyondBudget('completed');
    book.expect('completed', 'both', 'outOfOrder');
  },
  'refused, and the event twice': (job, book) => {
    begun(job, book);
    for (const consumer of CONSUMERS) book.callback(job, consumer, 'failed', { status: 400 });
    for (const ms of [0, 7_000]) book.event(job, 'failed', { at: job.at + ms });
    book.expect('failed', 'both', 'refused');
  },
  'twice, and late': (job, book) => {
    begun(job, book);
    called(job, book);
    for (const ms of [20_000, 400_000]) book.event(job, 'completed', { at: job.at + ms });
    book.expect('completed', 'both', 'duplicate');
    book.expectBeyondBudget('completed');
  },
  'another result, and late': (job, book) => {
    begun(job, book);
    called(job, book);
    book.event(job, 'completed', { at: job.at + 30_000, body: { resultId: job.uuid() } });
    book.expect('completed', 'both', 'mismatch');
    book.expectBeyondBudget('completed');
  },
} as const satisfies { readonly [name: string]: Plant };

export type PlantName = keyof typeof PLANTS;
export const EVERY_PLANT = Object.keys(PLANTS) as PlantName[];
