/** examples/atma: what ends a service in the middle of its work, asked to or killed, loses nothing and does nothing twice. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { effectKeyOf, openIdempotencyStore } from '../../src/index.js';
import { openDatabase } from '../../src/storage/sqlite.js';
import { eventually } from '../await.js';
import { expectedEffects, jobsOf } from './atma-jobs.js';
import {
  allDone,
  type Cast,
  endAll,
  expectExactlyOnce,
  KEY,
  onBothBrokers,
  type Scene,
  setScene,
} from './atma-scene.js';

const JOBS = 400;
/** They take a while, so that none of the services is done before it is hit. */
const SLOW = { delayMs: 200 };

onBothBrokers('the services of examples/atma', (kind) => {
  it('finish what they have in hand at SIGTERM, leave the rest, and end with 0', {
    timeout: 120_000,
  }, async () => {
    const scene = await setScene(kind);
    const cast = await inLive(scene, { JOBS_CONCURRENCY: '10' });
    const jobs = jobsOf(0, 20, { delayMs: 2_000 });
    await scene.offer(jobs);
    // Ten are being analysed.
    await eventually('the worker has begun', async () => (await scene.ready(scene.names.jobQueue)) === 10);
    expect(await cast.worker.stop()).toBe(0);
    expect(await scene.ready(scene.names.jobQueue)).toBe(10);
    await allDone(scene, jobs.slice(0, 10));

    const second = await cast.worker.again();
    await eventually('it goes on', async () => (await scene.ready(scene.names.jobQueue)) < 10);
    expect(await Promise.all([cast.notification.stop(), cast.assessment.stop()])).toEqual([0, 0]);
    const [notification, assessment] = await Promise.all([
      cast.notification.again(),
      cast.assessment.again(),
    ]);
    await allDone(scene, jobs);
    await endAll(scene, { worker: second, notification, assessment });
    expectExactlyOnce(scene, jobs);
  });

  // Where callbacks count, what a dead receiver had in hand comes back from the worker; where events count, from the queue.
  const cases = [
    ['worker', 'live'],
    ['notification', 'live'],
    ['assessment', 'live'],
    ['assessment', 'shadow'],
  ] as const;
  for (const [victim, stage] of cases) {
    it(`have every effect once though the ${victim} is killed in ${stage} and started again`, {
      timeout: 180_000,
    }, async () => {
      const scene = await setScene(kind);
      await scene.move({ stage, percent: 100 });
      const cast: { -readonly [P in keyof Cast]: Cast[P] } = await scene.startAll();
      const jobs = jobsOf(0, JOBS, SLOW);
      await scene.offer(jobs);
      const looked = victim === 'assessment' ? 'assessment-service' : 'notification-service';
      const all = expectedEffects(jobs, looked).length;
      for (const share of [0.1, 0.4]) {
        await eventually(`${share} of the effects`, () => scene.effects(looked).length >= share * all, {
          everyMs: 25,
          withinMs: 60_000,
        });
        await cast[victim].kill();
        // Not all was done: there was something to lose.
        expect(scene.effects(looked).length).toBeLessThan(all);
        cast[victim] = await cast[victim].again();
      }
      await allDone(scene, jobs);
      await endAll(scene, cast);
      expectExactlyOnce(scene, jobs);
    });
  }
});

async function inLive(scene: Scene, more: Record<string, string> = {}): Promise<Cast> {
  await scene.move({ stage: 'live', percent: 100 });
  return scene.startAll(more);
}

it('a service that was killed in the middle of an effect finds out from its table whether it happened', {
  timeout: 60_000,
}, async () => {
  const scene = await setScene('embedded');
  const service = 'assessment-service';
  const assessment = await scene.start(service);
  const [happened, not] = ['analysis.failed:happened', 'analysis.failed:not'];
  const store = openIdempotencyStore(join(scene.folder, service, 'facts.db'));
  for (const fact of [happened, not]) {
    // A claim whose holder died before it was noted that the effect happened; its time is over.
    const claim = await store.claim(effectKeyOf(service, fact), { token: 'dead', leaseMs: 0 });
    expect(claim.state).toBe('claimed-now');
  }
  const database = openDatabase(join(scene.folder, service, 'assessments.db'), { busyTimeoutMs: 1_000 });
  const note = database.prepare("INSERT INTO effects (fact, effect, path, at) VALUES (?, ?, 'event', '')");
  for (const effect of ['status', 'refund']) note.run(happened, effect);
  database.close();

  const jobId = '00000001-0000-4000-8000-000000000001';
  for (const fact of [happened, not]) {
    const response = await fetch(`${assessment.url}/assessments/callback/failed`, {
      method: 'POST',
      headers: {
        ...{ 'content-type': 'application/json', 'x-internal-service': 'true', 'x-service-key': KEY },
        ...{ 'x-migration-stage': 'shadow', 'x-migration-epoch': '1', 'idempotency-key': fact },
      },
      body: JSON.stringify({ jobId, resultId: null, errorMessage: 'x', status: 'failed' }),
    });
    expect(response.status).toBe(200);
    expect((await store.find(effectKeyOf(service, fact))).state).toBe('done');
  }
  await store.close();
  expect(scene.effects(service).map(({ fact, path }) => `${fact} ${path}`)).toEqual([
    ...[`${happened} event`, `${happened} event`, `${not} callback`, `${not} callback`],
  ]);
  const { json } = await assessment.get(`/jobs/${jobId}`);
  expect(json.tokens).toBe(1);
});
