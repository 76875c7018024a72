/** examples/atma: the three services as processes, through every stage of the migration. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { STAGES } from '../../src/core/migration/stage.js';
import { eventually } from '../await.js';
import { jobOf, jobsOf } from './atma-jobs.js';
import { allDone, endAll, expectExactlyOnce, onBothBrokers, setScene } from './atma-scene.js';

/** Per stage. */
const JOBS = 50;
const CALLBACK_STAGES = ['off', 'publish', 'shadow'];

onBothBrokers('the services of examples/atma', (kind) => {
  it(`bring ${JOBS} jobs through each stage, with every effect once and on the path that counts`, {
    timeout: 180_000,
  }, async () => {
    const scene = await setScene(kind);
    const cast = await scene.startAll();
    const jobs = jobsOf(0, JOBS * STAGES.length);
    for (const [at, stage] of STAGES.entries()) {
      if (stage !== 'off') {
        const epoch = await scene.move({ stage, percent: 100 });
        await eventually(`the worker sees ${stage}`, () =>
          cast.worker.logs('stage').some((line) => line.epoch === epoch),
        );
      }
      await scene.offer(jobs.slice(at * JOBS, (at + 1) * JOBS));
      await allDone(scene, jobs.slice(0, (at + 1) * JOBS));
      const { status, json } = await cast.worker.get('/health');
      expect({ status, stage: json.stage }).toEqual({ status: 200, stage });
    }
    const last = jobs.length - 1;
    const { json: completed } = await cast.assessment.get(`/jobs/${jobs[last]?.jobId}`);
    expect(completed).toMatchObject({ status: 'completed', progress: 100, error: null, tokens: 0 });
    const { json: failed } = await cast.assessment.get(`/jobs/${jobs[last - 4]?.jobId}`);
    expect(failed).toMatchObject({
      ...{ status: 'failed', resultId: null, tokens: 1 },
      error: 'AI service did not answer in time',
    });
    // Ten jobs of one user, two of which failed.
    const { json: account } = await cast.assessment.get(`/accounts/${jobs[last]?.userId}`);
    expect(account).toMatchObject({ jobs: 10, tokens: 2 });
    await endAll(scene, cast);

    expectExactlyOnce(scene, jobs);
    for (const name of ['notification-service', 'assessment-service'] as const) {
      for (const { fact, path } of scene.effects(name)) {
        const stage = STAGES[Math.floor(Number(fact.split(':')[1]?.slice(-12)) / JOBS)] ?? '';
        expect(path, `${fact} in ${stage}`).toBe(CALLBACK_STAGES.includes(stage) ? 'callback' : 'event');
      }
    }
  });

  it('go on with the old functions of the worker, in both worlds', { timeout: 120_000 }, async () => {
    const scene = await setScene(kind);
    const cast = await scene.startAll({ CALLBACK_STYLE: 'deprecated' });
    const jobs = jobsOf(0, 20);
    await scene.offer(jobs.slice(0, 10));
    await allDone(scene, jobs.slice(0, 10));
    const epoch = await scene.move({ stage: 'live', percent: 100 });
    await eventually('the worker sees live', () =>
      cast.worker.logs('stage').some((line) => line.epoch === epoch),
    );
    await scene.offer(jobs.slice(10));
    await allDone(scene, jobs);
    await endAll(scene, cast);
    expectExactlyOnce(scene, jobs);
    expect(
      cast.worker
        .logs('deprecated')
        .map(({ code }) => code)
        .toSorted(),
    ).toEqual([...['ATMA_DEP01', 'ATMA_DEP02', 'ATMA_DEP03', 'ATMA_DEP04']]);
  });
});

it('without a flag file the services go by USE_EVENT_DRIVEN, and they report to shadow mode what they did', {
  timeout: 60_000,
}, async () => {
  const scene = await setScene('embedded');
  const file = join(scene.folder, 'deliveries.jsonl');
  const more = { ATMA_EVENTS_FLAG_FILE: '', USE_EVENT_DRIVEN: 'true', DELIVERY_REPORT_FILE: file };
  const cast = await scene.startAll(more);
  const { json } = await cast.worker.get('/health');
  expect(json.stage).toBe('live');
  await scene.offer([jobOf(5)]);
  await allDone(scene, [jobOf(5)]);
  await endAll(scene, cast);

  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  const reports = lines.map((line): Record<string, unknown> => JSON.parse(line));
  const told = reports.map(({ consumer, did, via, type }) => `${consumer} ${did} ${type} by ${via}`);
  // Callbacks are in dry run: they are answered, and nothing is reported of them.
  expect(told.toSorted()).toEqual(
    ['assessment', 'notification'].flatMap((consumer) => [
      `${consumer} acked analysis.failed by event`,
      `${consumer} acked analysis.started by event`,
      `${consumer} applied analysis.failed by event`,
    ]),
  );
  expect(reports.find(({ did }) => did === 'applied')?.event).toEqual({
    jobId: jobOf(5).jobId,
    resultId: null,
  });
});
