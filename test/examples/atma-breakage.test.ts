/** examples/atma: without one of its safeties a build loses or doubles effects. Else nobody could say what the safeties are for. */
import { expect, it } from 'vitest';
import { eventually } from '../await.js';
import { effectsHad, expectedEffects, jobsOf } from './atma-jobs.js';
import { allDone, endAll, setScene } from './atma-scene.js';

const SERVICE = 'notification-service';

it('ATMA_BREAK=idempotency: a fact that is told twice has its effects twice', {
  timeout: 120_000,
}, async () => {
  const scene = await setScene('embedded');
  await scene.move({ stage: 'live', percent: 100 });
  const cast = await scene.startAll({ ATMA_BREAK: 'idempotency' });
  const jobs = jobsOf(0, 10);
  await scene.offer(jobs);
  await scene.offer(jobs);
  await allDone(scene, [...jobs, ...jobs]);
  await endAll(scene, cast);
  expect(effectsHad(scene.effects(SERVICE))).toEqual(expectedEffects([...jobs, ...jobs], SERVICE));
  expect(cast.notification.logs('broken-on-purpose')).toMatchObject([{ level: 'error', off: 'idempotency' }]);
});

it('with it, the same is told twice and happens once', { timeout: 120_000 }, async () => {
  const scene = await setScene('embedded');
  await scene.move({ stage: 'live', percent: 100 });
  const cast = await scene.startAll();
  const jobs = jobsOf(0, 10);
  await scene.offer(jobs);
  await scene.offer(jobs);
  await allDone(scene, jobs);
  await endAll(scene, cast);
  expect(effectsHad(scene.effects(SERVICE))).toEqual(expectedEffects(jobs, SERVICE));
});

it('ATMA_BREAK=confirms: what a killed worker had said it had sent is lost', {
  timeout: 120_000,
}, async () => {
  const scene = await setScene('embedded');
  await scene.move({ stage: 'complete', percent: 100 });
  const cast = await scene.startAll({ ATMA_BREAK: 'confirms' });
  // More than a worker gets through before anybody has noticed the first effect, on however busy a machine.
  const jobs = jobsOf(0, 3_000);
  await scene.offer(jobs);
  await eventually('some are told', () => scene.effects(SERVICE).length > 0, {
    ...{ withinMs: 30_000, everyMs: 25 },
  });
  await cast.worker.kill();
  const worker = await cast.worker.again({ ATMA_BREAK: '' });
  await endAll(scene, { ...cast, worker });
  const had = new Set(effectsHad(scene.effects(SERVICE)));
  const lost = expectedEffects(jobs, SERVICE).filter((effect) => !had.has(effect));
  expect(lost.length).toBeGreaterThan(0);
  expect(lost.length).toBeLessThan(jobs.length);
});
