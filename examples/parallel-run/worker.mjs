// ATMA's worker while both paths run: for every job it calls the services back over HTTP as before, and publishes the events as
// well. JOBS is how many it has. LOSES=7 lets it forget the event of the seventh job, as a branch of its code might.
import { connect } from 'atma-events';

const {
  NOTIFICATION_SERVICE_URL = 'http://localhost:3005',
  ASSESSMENT_SERVICE_URL = 'http://localhost:3003',
  JOBS = '20',
  LOSES,
} = process.env;

const bus = await connect({ source: 'analysis-worker' });
const id = (kind, job) => `${String(job).padStart(8, '0')}-0000-4000-8000-${kind.padEnd(12, '0')}`;
let accepted = 0;

async function callBack(url, body) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-internal-service': 'true', 'x-service-key': 'secret' },
    body: JSON.stringify(body),
  });
  await response.arrayBuffer();
  if (response.ok) accepted++; // and if not, the worker logs it and moves on, so nobody notices
}

for (let job = 1; job <= Number(JOBS); job++) {
  const jobId = id('a', job);
  const userId = id('b', job);
  const own = { jobId, userId, userEmail: 'user@example.com' };
  const metadata = { assessmentName: 'AI-Driven Talent Mapping', retryCount: 0 };
  await bus.publish('analysis.started', {
    ...{ ...own, resultId: null },
    metadata: { ...metadata, estimatedProcessingTime: 60_000 },
  });
  // Every fifth analysis fails.
  const failed = job % 5 === 0;
  const outcome = failed ? { errorMessage: 'AI service did not answer in time' } : { resultId: id('c', job) };
  const status = failed ? 'failed' : 'completed';
  await callBack(`${NOTIFICATION_SERVICE_URL}/notifications/analysis-${failed ? 'failed' : 'complete'}`, {
    ...{ userId, jobId, status },
    ...outcome,
  });
  await callBack(`${ASSESSMENT_SERVICE_URL}/assessments/callback/${status}`, {
    ...{ jobId, resultId: null, status },
    ...outcome,
  });
  if (job === Number(LOSES)) continue;
  await bus.publish(`analysis.${status}`, {
    ...{ ...own, resultId: null },
    ...outcome,
    metadata: { ...metadata, processingTime: 1 },
  });
}
await bus.close();
console.log(`${JOBS} jobs done; ${accepted} of ${2 * Number(JOBS)} callbacks were accepted`);
