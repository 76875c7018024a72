/** examples/atma: what the services refuse over HTTP, what a user is told over WebSocket, and what keeps a service from starting. */
import { once } from 'node:events';
import { request } from 'node:http';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { eventually, within } from '../await.js';
import { jobOf, jobsOf } from './atma-jobs.js';
import { allDone, endAll, KEY, type Service, setScene } from './atma-scene.js';

const JOB = '00000001-0000-4000-8000-000000000007';
const USER = '00000002-0000-4000-8000-000000000007';
const RESULT = '00000003-0000-4000-8000-000000000007';
const TOLD = { userId: USER, jobId: JOB, resultId: RESULT, status: 'completed' };
const CLOSED = { jobId: JOB, resultId: RESULT, status: 'completed' };

async function post(service: Service, path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${service.url}${path}`, {
    method: 'POST',
    headers: {
      ...{ 'content-type': 'application/json', 'x-internal-service': 'true', 'x-service-key': KEY },
      ...headers,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

it('callbacks without the service key, or with another one, are answered 401 and have no effect', {
  timeout: 60_000,
}, async () => {
  const scene = await setScene('embedded');
  const notification = await scene.start('notification-service');
  const assessment = await scene.start('assessment-service');
  const endpoints = [
    [notification, '/notifications/analysis-complete', TOLD],
    [notification, '/notifications/analysis-failed', { ...TOLD, errorMessage: 'x', status: 'failed' }],
    [assessment, '/assessments/callback/completed', CLOSED],
    [assessment, '/assessments/callback/failed', { ...CLOSED, errorMessage: 'x', status: 'failed' }],
  ] as const;
  for (const [service, path, body] of endpoints) {
    const wrong: Record<string, string>[] = [
      { 'x-service-key': '' },
      { 'x-service-key': `${KEY}x` },
      { 'x-internal-service': 'false' },
    ];
    for (const headers of wrong) {
      expect(await post(service, path, body, headers)).toMatchObject({
        ...{ status: 401, json: { error: 'UNAUTHORIZED' } },
      });
    }
    expect(await post(service, path, body)).toEqual({ status: 200, json: { success: true } });
  }
  expect(scene.effects('notification-service')).toHaveLength(2);
  expect(scene.effects('assessment-service')).toHaveLength(3);
});

it('bodies that do not say what they must are answered 400 with the fields that are wrong', {
  timeout: 60_000,
}, async () => {
  const scene = await setScene('embedded');
  const notification = await scene.start('notification-service');
  const assessment = await scene.start('assessment-service');
  const path = '/notifications/analysis-complete';
  const refused = async (service: Service, at: string, body: unknown, status = 400) => {
    const answer = await post(service, at, body);
    expect(answer.status, JSON.stringify(body)).toBe(status);
    return answer.json;
  };
  await refused(notification, path, 'no JSON');
  await refused(notification, path, []);
  await refused(notification, path, { ...TOLD, resultId: null });
  await refused(notification, path, { ...TOLD, status: 'failed' });
  await refused(notification, path, { ...TOLD, padding: 'x'.repeat(70_000) }, 413);
  await refused(notification, '/notifications/analysis-done', TOLD, 404);
  const json = await refused(assessment, '/assessments/callback/completed', {
    ...CLOSED,
    jobId: 'user@example.com',
  });
  expect(json).toEqual({ error: 'VALIDATION_ERROR', message: 'missing or wrong: jobId' });
  // One version of the worker calls the singular.
  await refused(assessment, '/assessment/callback/completed', CLOSED, 404);
  expect(scene.effects('notification-service')).toEqual([]);
  expect(scene.effects('assessment-service')).toEqual([]);
});

it('receivers that have drifted refuse what the worker sends, and its jobs become dead letters', {
  timeout: 60_000,
}, async () => {
  const scene = await setScene('embedded');
  const cast = await scene.startAll({ STRICT_BODY: 'snake' });
  const path = '/notifications/analysis-complete';
  expect(await post(cast.notification, path, TOLD)).toMatchObject({ status: 400 });
  const { resultId: result_id, ...rest } = TOLD;
  const snake = { ...rest, result_id, assessment_name: 'Talent', status: 'berhasil' };
  expect(await post(cast.notification, path, snake)).toMatchObject({ status: 200 });
  const failed = { ...CLOSED, resultId: null, errorMessage: 'x', status: 'failed' };
  expect(await post(cast.assessment, '/assessments/callback/failed', failed)).toMatchObject({ status: 400 });

  const jobs = [jobOf(0), jobOf(1)];
  await scene.offer(jobs);
  const dead = `${scene.names.jobQueue}_dlq`;
  await eventually('both jobs are dead letters', async () => (await scene.ready(dead)) === 2);
  expect(cast.worker.logs('dead-letter').map(({ reason, attempts }) => [reason, attempts])).toEqual([
    ['permanent', 1],
    ['permanent', 1],
  ]);
  // The completed one was refused by one of two: the assessment service has closed the job, and will know it when it is told again.
  const jobEffects = scene.effects('assessment-service').map(({ fact }) => fact.split(':')[1]);
  expect(jobEffects).toEqual([jobs[1]?.jobId]);
});

it('the same answers are given without stamps, with one, and in dry run', { timeout: 60_000 }, async () => {
  const scene = await setScene('embedded');
  const assessment = await scene.start('assessment-service');
  const path = '/assessments/callback/completed';
  const stamp = (stage: string, n: number) => ({
    ...{ 'x-migration-stage': stage, 'x-migration-epoch': '3' },
    'idempotency-key': `analysis.completed:job-${n}:result`,
  });
  const answers = [
    await post(assessment, path, CLOSED),
    await post(assessment, path, CLOSED),
    await post(assessment, path, CLOSED, stamp('shadow', 1)),
    await post(assessment, path, CLOSED, stamp('live', 2)),
  ];
  for (const answer of answers) expect(answer).toEqual({ status: 200, json: { success: true } });
  expect(scene.effects('assessment-service').map(({ fact }) => fact)).toEqual([
    `analysis.completed:${JOB}:${RESULT}`,
    'analysis.completed:job-1:result',
  ]);
});

it('a user is told over WebSocket and nobody else is, and gets what came while away', {
  timeout: 60_000,
}, async () => {
  const scene = await setScene('embedded');
  await scene.move({ stage: 'live', percent: 100 });
  const cast = await scene.startAll();
  const connected = async (query: string) => {
    const socket = new WebSocket(`${cast.notification.url.replace('http', 'ws')}/ws?${query}`);
    const messages: Record<string, unknown>[] = [];
    socket.on('message', (data) => messages.push(JSON.parse(String(data))));
    await within('the socket opens', once(socket, 'open'));
    return { socket, messages, ids: () => messages.map(({ id }) => Number(id)) };
  };
  // Jobs 0 to 9 are of one user, 10 to 19 of the next.
  const jobs = jobsOf(0, 20);
  const [first, twin, second] = [
    await connected(`userId=${jobs[0]?.userId}`),
    await connected(`userId=${jobs[0]?.userId}`),
    await connected(`userId=${jobs[10]?.userId}`),
  ];
  await scene.offer(jobs);
  await allDone(scene, jobs);
  for (const { messages } of [first, twin, second]) {
    await eventually('ten messages', () => messages.length >= 10);
  }
  const about = ({ messages }: typeof first) => messages.map(({ jobId }) => jobId).toSorted();
  expect(about(first)).toEqual(jobs.slice(0, 10).map(({ jobId }) => jobId));
  expect(about(twin)).toEqual(about(first));
  expect(about(second)).toEqual(jobs.slice(10).map(({ jobId }) => jobId));
  expect(first.messages.find(({ jobId }) => jobId === jobs[5]?.jobId)).toEqual({
    ...{ id: expect.any(Number), type: 'analysis-failed', jobId: jobs[5]?.jobId },
    errorMessage: 'AI service did not answer in time',
  });
  expect(first.messages.find(({ jobId }) => jobId === jobs[6]?.jobId)).toEqual({
    ...{ id: expect.any(Number), type: 'analysis-complete', jobId: jobs[6]?.jobId },
    resultId: expect.any(String),
  });

  const seen = first.ids().toSorted((a, b) => a - b);
  const goodbye = once(first.socket, 'close');
  expect(await cast.notification.stop()).toBe(0);
  expect((await goodbye)[0]).toBe(1001);
  const notification = await cast.notification.again();
  const back = await connected(`userId=${jobs[0]?.userId}&after=${seen[6]}`);
  await eventually('what came after', () => back.messages.length === 3);
  expect(back.ids()).toEqual(seen.slice(7));
  const stranger = new WebSocket(`${notification.url.replace('http', 'ws')}/ws`);
  const [refused] = await once(stranger, 'error');
  expect(String(refused)).toContain('400');
  await endAll(scene, { ...cast, notification });
});

it('a request or upgrade for what is no path is answered 400, and the service lives on', {
  timeout: 60_000,
}, async () => {
  const scene = await setScene('embedded');
  const { port, get } = await scene.start('notification-service');
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
  for (const headers of [{}, upgrade]) {
    const sent = request({ host: '127.0.0.1', port, path: '//', headers }).end();
    const [response] = await once(sent, 'response');
    expect(response.statusCode).toBe(400);
    response.resume();
  }
  expect(await get('/health')).toMatchObject({ status: 200 });
});

it('a service that is told something wrong does not start, and says what', { timeout: 60_000 }, async () => {
  const scene = await setScene('embedded');
  const wrong = [
    [{ INTERNAL_SERVICE_KEY: '' }, 'INTERNAL_SERVICE_KEY'],
    [{ INTERNAL_SERVICE_KEY: 'change-me-please' }, 'INTERNAL_SERVICE_KEY'],
    [{ PORT: 'http' }, 'PORT'],
    [{ STRICT_BODY: 'camel' }, 'STRICT_BODY'],
    [{ ATMA_BREAK: 'everything' }, 'ATMA_BREAK'],
    [{ ATMA_EVENTS_FLAG_FILE: '', USE_EVENT_DRIVEN: 'maybe' }, 'USE_EVENT_DRIVEN'],
  ] as const;
  await Promise.all(
    wrong.map(async ([environment, name]) => {
      const service = scene.launch('notification-service', environment);
      expect(await within('it ends', service.ended, 30_000)).toBe(1);
      expect(service.logs().map(({ event }) => event)).toEqual(['cannot-start']);
      expect(service.logs()[0]?.message).toContain(name);
      expect(service.stderr()).toBe('');
    }),
  );
});

it('logs are lines of JSON without e-mail addresses and keys', { timeout: 60_000 }, async () => {
  const scene = await setScene('embedded');
  const cast = await scene.startAll({ LOG_LEVEL: 'debug' });
  await scene.offer([jobOf(1), { ...jobOf(2), userEmail: 'somebody@example' }]);
  const dead = `${scene.names.jobQueue}_dlq`;
  await eventually('the bad job is a dead letter', async () => (await scene.ready(dead)) === 1);
  await allDone(scene, [jobOf(1)]);
  await endAll(scene, cast);
  const lines = [cast.worker, cast.notification, cast.assessment].flatMap((service) => service.logs());
  expect(new Set(lines.map(({ event }) => event))).toEqual(
    new Set(['dispatcher', 'ready', 'job', 'dead-letter', 'ending', 'ended']),
  );
  expect(JSON.stringify(lines)).not.toMatch(/@example|the-key-of-the-tests/);
});
