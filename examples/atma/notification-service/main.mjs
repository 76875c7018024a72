/** ATMA's notification service: tells users how their analysis ended, whether it hears so by callback or by event. */
import { join } from 'node:path';
import { connect } from 'atma-events';
import { z } from 'zod';
import { openDatabase } from '../database.mjs';
import { createEffects, EFFECTS_TABLE } from '../effects.mjs';
import { healthOf, stageNow } from '../health.mjs';
import { listen } from '../http.mjs';
import { createTellings } from '../receive.mjs';
import { createReports } from '../reports.mjs';
import { runService } from '../run-service.mjs';
import { consumerSettings, port, prefetch, serviceKey, strictBody } from '../settings.mjs';
import { logNotices, logTroubles } from '../troubles.mjs';
import { callbackBodies } from './callback-bodies.mjs';
import { createInbox, INBOX_TABLE } from './inbox.mjs';
import { createSockets } from './sockets.mjs';

const service = 'notification-service';

const variables = {
  PORT: port.default(3005),
  DATA_DIR: z.string().default(`.atma-events/${service}`),
  INTERNAL_SERVICE_KEY: serviceKey,
  EVENTS_QUEUE_NAME_NOTIFICATIONS: z.string().default('analysis_events_notifications'),
  PREFETCH: prefetch.default(500),
  STRICT_BODY: strictBody,
  DELIVERY_REPORT_FILE: z.string().optional(),
};

await runService(service, variables, async ({ settings, log, broken, onEnd }) => {
  const database = openDatabase(join(settings.DATA_DIR, 'notifications.db'), EFFECTS_TABLE + INBOX_TABLE);
  onEnd(() => database.close());
  const effects = createEffects(database, { broken });
  const inbox = createInbox(database);
  const sockets = createSockets(inbox);

  /** What the service does about an outcome. The same for both paths: they differ in their telling only. */
  async function tellUser(telling, userId, message) {
    let kept;
    const applied = await effects.apply(telling, {
      push() {
        kept = inbox.add(userId, message);
      },
    });
    if (kept !== undefined) sockets.push(userId, kept); // who is not connected finds it in the inbox
    return applied;
  }
  const onCompleted = (telling, { userId, jobId, resultId }) =>
    tellUser(telling, userId, { type: 'analysis-complete', jobId, resultId });
  const onFailed = (telling, { userId, jobId, errorMessage }) =>
    tellUser(telling, userId, { type: 'analysis-failed', jobId, errorMessage });

  // Both paths: events off the queue, callbacks over HTTP.
  const reports = createReports(settings.DELIVERY_REPORT_FILE, 'notification', { log, onEnd });
  const file = join(settings.DATA_DIR, 'facts.db');
  const tellings = createTellings({ file, service, reports, broken, onEnd });

  const bus = await connect({ source: service, onNotice: logNotices(log) });
  onEnd(() => bus.close());
  await bus.setup();
  const queue = settings.EVENTS_QUEUE_NAME_NOTIFICATIONS;
  const consumer = await bus.consume(
    queue,
    {
      'analysis.started': (event, context) => tellings.byEvent(event, context, () => false), // nobody is told
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
  const { server, port, close } = await listen({
    settings,
    log,
    key: settings.INTERNAL_SERVICE_KEY,
    routes: {
      'POST /notifications/analysis-complete': {
        internal: true,
        body: bodies.completed,
        handle: ({ request, body }) => tellings.byCallback('analysis.completed', request, body, onCompleted),
      },
      'POST /notifications/analysis-failed': {
        internal: true,
        body: bodies.failed,
        handle: ({ request, body }) => tellings.byCallback('analysis.failed', request, body, onFailed),
      },
      'GET /effects': { handle: ({ query }) => effects.lines(Number(query.get('after') ?? 0)) },
      'GET /health': { handle: health },
    },
  });
  onEnd(close);
  onEnd(sockets.attach(server));
  return port;
});
