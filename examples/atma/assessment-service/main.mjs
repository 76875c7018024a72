/** ATMA's assessment service: keeps the state of jobs and their tokens, whether it hears of an outcome by callback or by event. */
import { join } from 'node:path';
import { connect } from 'atma-events';
import { z } from 'zod';
import { openDatabase } from '../database.mjs';
import { createEffects, EFFECTS_TABLE } from '../effects.mjs';
import { healthOf, stageNow } from '../health.mjs';
import { listen, Refusal } from '../http.mjs';
import { createTellings } from '../receive.mjs';
import { createReports } from '../reports.mjs';
import { runService } from '../run-service.mjs';
import { consumerSettings, port, prefetch, serviceKey, strictBody } from '../settings.mjs';
import { logNotices, logTroubles } from '../troubles.mjs';
import { callbackBodies } from './callback-bodies.mjs';
import { createJobs, JOB_TABLES } from './jobs.mjs';

const service = 'assessment-service';

const variables = {
  PORT: port.default(3003),
  DATA_DIR: z.string().default(`.atma-events/${service}`),
  INTERNAL_SERVICE_KEY: serviceKey,
  EVENTS_QUEUE_NAME_ASSESSMENTS: z.string().default('analysis_events_assessments'),
  PREFETCH: prefetch.default(500),
  STRICT_BODY: strictBody,
  DELIVERY_REPORT_FILE: z.string().optional(),
};

await runService(service, variables, async ({ settings, log, broken, onEnd }) => {
  const database = openDatabase(join(settings.DATA_DIR, 'assessments.db'), EFFECTS_TABLE + JOB_TABLES);
  onEnd(() => database.close());
  const effects = createEffects(database, { broken });
  const jobs = createJobs(database);

  // What the service does about each fact. The same for both paths: they differ in their telling only.
  const onCompleted = (telling, { jobId, userId = null, resultId }) =>
    effects.apply(telling, {
      status: () => jobs.end({ jobId, userId, resultId, status: 'completed', error: null }),
    });
  const onFailed = (telling, { jobId, userId = null, errorMessage }) =>
    effects.apply(telling, {
      status: () => jobs.end({ jobId, userId, resultId: null, status: 'failed', error: errorMessage }),
      refund: () => jobs.refund(jobId),
    });
  /** That a job was begun changes nothing that could happen twice: no key is needed, only a look at the dry run. */
  const onStarted = async ({ data }, { dryRun }) => {
    if (!dryRun) await database.write(() => jobs.begin(data));
    return false;
  };

  // Both paths: events off the queue, callbacks over HTTP.
  const reports = createReports(settings.DELIVERY_REPORT_FILE, 'assessment', { log, onEnd });
  const file = join(settings.DATA_DIR, 'facts.db');
  const tellings = createTellings({ file, service, reports, broken, onEnd });

  const bus = await connect({ source: service, onNotice: logNotices(log) });
  onEnd(() => bus.close());
  await bus.setup();
  const queue = settings.EVENTS_QUEUE_NAME_ASSESSMENTS;
  const consumer = await bus.consume(
    queue,
    {
      'analysis.started': (event, context) =>
        tellings.byEvent(event, context, () => onStarted(event, context)),
      'analysis.completed': (event, context) => tellings.byEvent(event, context, onCompleted),
      'analysis.failed': (event, context) => tellings.byEvent(event, context, onFailed),
    },
    { idempotency: tellings.store, ...consumerSettings(settings), ...logTroubles(log) },
  );

  const bodies = callbackBodies(settings.STRICT_BODY);
  const health = healthOf({
    transport: bus.transport,
    queue,
    consumer,
    stage: () => stageNow(settings),
  });
  const found = (what) => {
    if (what === undefined) throw new Refusal(404, 'NOT_FOUND', 'nothing is known of it');
    return what;
  };
  const { port, close } = await listen({
    settings,
    log,
    key: settings.INTERNAL_SERVICE_KEY,
    routes: {
      'POST /assessments/callback/completed': {
        internal: true,
        body: bodies.completed,
        handle: ({ request, body }) => tellings.byCallback('analysis.completed', request, body, onCompleted),
      },
      'POST /assessments/callback/failed': {
        internal: true,
        body: bodies.failed,
        handle: ({ request, body }) => tellings.byCallback('analysis.failed', request, body, onFailed),
      },
      'GET /jobs/:id': { handle: ({ id }) => found(jobs.find(id)) },
      'GET /accounts/:id': { handle: ({ id }) => found(jobs.account(id)) },
      'GET /effects': { handle: ({ query }) => effects.lines(Number(query.get('after') ?? 0)) },
      'GET /health': { handle: health },
    },
  });
  onEnd(close);
  return port;
});
