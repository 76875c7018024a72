/** ATMA's analysis worker: takes jobs, has them analysed, and says once what became of each. */
import { join } from 'node:path';
import { connect, isEventsError, openDispatcher, PermanentError } from 'atma-events';
import { z } from 'zod';
import { hastyTransport } from '../breakage.mjs';
import { healthOf, stageNow } from '../health.mjs';
import { listen } from '../http.mjs';
import { runService } from '../run-service.mjs';
import { consumerSettings, port } from '../settings.mjs';
import { logDispatcherTroubles, logNotices, logTroubles } from '../troubles.mjs';
import { analyse } from './analysis.mjs';
import { jobSystem } from './job-queue.mjs';
import { createTeller } from './teller.mjs';

const service = 'analysis-worker';

/** Where services are, their key and the flag file are read by `openDispatcher`: `<NAME>_SERVICE_URL` and so on. */
const variables = {
  PORT: port.default(3004),
  DATA_DIR: z.string().default(`.atma-events/${service}`),
  JOB_EXCHANGE_NAME: z.string().default('atma_exchange'),
  JOB_QUEUE_NAME: z.string().default('assessment_analysis'),
  /** Analyses at the same time. */
  JOBS_CONCURRENCY: z.coerce.number().int().min(1).max(10_000).default(50),
  /** `deprecated`: by the functions of the worker's old notification service. */
  CALLBACK_STYLE: z.enum(['dispatcher', 'deprecated']).default('dispatcher'),
};

await runService(service, variables, async ({ settings, log, broken, onEnd }) => {
  // Two systems on one broker: the events that the worker tells, and the jobs that it is given.
  // Lazy: what is told waits in the outbox for a broker that is away.
  const events = await connect({ source: service, lazy: true, onNotice: logNotices(log) });
  onEnd(() => events.close());
  const jobs = await connect({ ...jobSystem(settings), source: service, onNotice: logNotices(log) });
  onEnd(() => jobs.close());
  await jobs.setup();

  const bus = broken.confirms ? { ...events, transport: hastyTransport(events.transport, log) } : events;
  const { JOBS_CONCURRENCY: concurrency, CIRCUIT_OPEN_MS: openMs } = settings;
  const dispatcher = await openDispatcher(bus, {
    outboxFile: join(settings.DATA_DIR, 'outbox.db'),
    onTrouble: logDispatcherTroubles(log),
    onStage: ({ stage, percent, epoch }) => log.info('stage', { stage, percent, epoch }),
    // Where callbacks count, each job in hand has one under way to each service: none waits for another's turn.
    callbacks: { maxInFlight: concurrency, ...(openMs && { circuit: { openMs } }) },
  });
  onEnd(() => dispatcher.close());
  const tell = createTeller(dispatcher, settings.CALLBACK_STYLE, log);

  /** The job is acked when this resolves: what became of it is on disk by then, or with the services. */
  async function work({ data: job }, { attempt, signal }) {
    const started = Date.now();
    const about = { jobId: job.jobId, userId: job.userId, userEmail: job.userEmail };
    const metadata = { assessmentName: job.assessmentName, retryCount: attempt };
    await tell.started({
      ...about,
      resultId: null,
      metadata: { ...metadata, estimatedProcessingTime: 60_000 },
    });
    const result = await analyse(job, signal);
    metadata.processingTime = Date.now() - started;
    if (result.outcome === 'completed') {
      await tell.completed({ ...about, resultId: result.resultId, metadata });
    } else {
      const { errorMessage, errorType } = result;
      await tell.failed({ ...about, resultId: null, errorMessage, metadata: { ...metadata, errorType } });
    }
    log.debug('job', { jobId: job.jobId, outcome: result.outcome });
  }

  const consumer = await jobs.consume(
    settings.JOB_QUEUE_NAME,
    {
      'analysis.process': (job, context) =>
        work(job, context).catch((error) => {
          throw mayPass(error) ? error : new PermanentError(error.message, { cause: error });
        }),
    },
    { prefetch: concurrency, ...consumerSettings(settings), ...logTroubles(log) },
  );
  onEnd(() => consumer.close()); // before the dispatcher: jobs in hand are finished

  const health = healthOf({
    transport: jobs.transport,
    queue: settings.JOB_QUEUE_NAME,
    consumer,
    stage: () => ({ ...stageNow(settings), outbox: dispatcher.parts.outbox.state().waiting }),
  });
  const { port, close } = await listen({ settings, log, routes: { 'GET /health': { handle: health } } });
  onEnd(close);
  return port;
});

/** What a service refuses, or no schema takes, would be the same again: a dead letter, so that somebody notices. */
function mayPass(error) {
  return !isEventsError(error, 'callback-refused') && !isEventsError(error, 'event-invalid');
}
