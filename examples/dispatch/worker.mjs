// ATMA's worker: it says once what happened, and the stage of the migration decides whether that goes out as callbacks, as an
// event, or as both. JOBS is how many it has. Every fifth analysis fails.
import { connect, openDispatcher } from 'atma-events';

// Lazy: the worker starts without its broker, too. What has to wait for it waits in the outbox.
const bus = await connect({ source: 'analysis-worker', lazy: true });
const dispatcher = await openDispatcher(bus);
const id = (kind, job) => `${String(job).padStart(8, '0')}-0000-4000-8000-${kind.padEnd(12, '0')}`;

for (let job = 1; job <= Number(process.env.JOBS ?? '20'); job++) {
  const own = { jobId: id('a', job), userId: id('b', job), userEmail: 'user@example.com' };
  const metadata = { assessmentName: 'AI-Driven Talent Mapping', processingTime: 1 };
  try {
    const told =
      job % 5 === 0
        ? await dispatcher.analysisFailed({
            ...own,
            errorMessage: 'AI service did not answer in time',
            metadata,
          })
        : await dispatcher.analysisCompleted({ ...own, resultId: id('c', job), metadata });
    const callbacks = told.callbacks.map(({ service, outcome }) => `${service} ${outcome}`).join(', ');
    console.log(`job ${job}: ${told.stage}, event ${told.event}, callbacks: ${callbacks}`);
  } catch (error) {
    // A job queue would deliver the job again; not where the service refuses it (4xx), which it would do again.
    console.log(
      `job ${job}: ${error.code}, ${error.code === 'callback-refused' ? 'given up' : 'to be tried again'}`,
    );
  }
}

// In this order: what the dispatcher has taken goes out while the bus still lives.
await dispatcher.close();
await bus.close();
