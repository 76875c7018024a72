// ATMA's notification service during the migration: a fact comes as a callback, as an event, or as both. `effect` runs on the
// path that counts, and once per fact, because both paths share the store and the name of the consumer.
// Run it after `atma-events setup`.
import { createServer } from 'node:http';
import { connect, createCallbackReceiver, openIdempotencyStore } from 'atma-events';

const consumer = 'notification-service';
const store = openIdempotencyStore('.atma-events/notification.db');
const bus = await connect({ source: consumer });

const notify = (path, message, userId) => console.log(`${path}: told ${userId.slice(0, 8)} ${message}`);

await bus.consume(
  'analysis_events_notifications',
  {
    'analysis.started'() {},
    'analysis.completed': ({ data }, { effect }) =>
      effect(() => notify('event', 'analysis-complete', data.userId)),
    'analysis.failed': ({ data }, { effect }) =>
      effect(() => notify('event', 'analysis-failed', data.userId)),
  },
  { idempotency: store },
);

// An old worker's callbacks have no stamp: `fact` names theirs as the catalog does.
const fact = ({ jobId, resultId, status }) =>
  status === 'completed' ? `analysis.completed:${jobId}:${resultId}` : `analysis.failed:${jobId}`;
const callbacks = createCallbackReceiver({ store, consumer, fact });

/** 5xx: the worker tries again. 4xx: that would not help; of an effect that nobody can tell about, somebody has to look first. */
function answerFailure(response, error) {
  console.error(error.message);
  const status = error instanceof SyntaxError ? 400 : error.code === 'effect-unknown' ? 409 : 503;
  response.writeHead(status, { 'content-type': 'application/json' }).end('{"success":false}');
}

createServer(async (request, response) => {
  try {
    let text = '';
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text);
    const { effect } = callbacks.receive(request.headers, body);
    await effect(() => notify('callback', request.url.split('/').at(-1), body.userId));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"success":true}');
  } catch (error) {
    answerFailure(response, error);
  }
}).listen(Number(process.env.PORT ?? '3005'), '127.0.0.1', function () {
  console.log(`notification service on http://127.0.0.1:${this.address().port}`);
});
