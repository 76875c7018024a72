// ATMA's assessment service during the migration: a job that failed is closed, and its token refunded. Once, whichever path
// tells it; compare notification-service.mjs. Run it after `atma-events setup`.
import { createServer } from 'node:http';
import { connect, createCallbackReceiver, openIdempotencyStore } from 'atma-events';

const consumer = 'assessment-service';
const store = openIdempotencyStore('.atma-events/assessment.db');
const bus = await connect({ source: consumer });

const close = (path, jobId, status) => console.log(`${path}: job ${jobId.slice(0, 8)} ${status}`);
const refund = (path, jobId) => console.log(`${path}: refunded 1 token of job ${jobId.slice(0, 8)}`);

/** The same for both paths. Two effects of one fact have names. */
async function finish(path, effect, { jobId, failed }) {
  await effect(() => close(path, jobId, failed ? 'failed' : 'completed'), { name: 'status' });
  if (failed) await effect(() => refund(path, jobId), { name: 'refund' });
}

await bus.consume(
  'analysis_events_assessments',
  {
    'analysis.started'() {},
    'analysis.completed': ({ data }, { effect }) => finish('event', effect, { ...data, failed: false }),
    'analysis.failed': ({ data }, { effect }) => finish('event', effect, { ...data, failed: true }),
  },
  { idempotency: store },
);

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
    await finish('callback', effect, { ...body, failed: body.status === 'failed' });
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"success":true}');
  } catch (error) {
    answerFailure(response, error);
  }
}).listen(Number(process.env.PORT ?? '3003'), '127.0.0.1', function () {
  console.log(`assessment service on http://127.0.0.1:${this.address().port}`);
});
