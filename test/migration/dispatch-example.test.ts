/** examples/dispatch: the worker and both services as they stand there, through three stages. */
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { Stage } from '../../src/core/migration/stage.js';
import { readFlagFile } from '../../src/migration/flag-file.js';
import { moveFlag } from '../../src/migration/flip.js';
import { eventually } from '../await.js';
import { runCli, startProgram, temporaryFolder } from '../commands/cli.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** 4 jobs that succeed and 1 that fails. */
const JOBS = 5;

it('examples/dispatch: each user is told once and each token refunded once, in each stage', {
  timeout: 60_000,
}, async () => {
  const cwd = temporaryFolder();
  cpSync(join(root, 'examples/dispatch'), cwd, { recursive: true });
  mkdirSync(join(cwd, 'node_modules'));
  symlinkSync(root, join(cwd, 'node_modules/atma-events'));
  expect(await runCli(['setup'], { cwd })).toMatchObject({ exitCode: 0 });

  const start = async (name: string) => {
    const service = startProgram([`${name}-service.mjs`], { cwd, env: { PORT: '0' } });
    const line = await eventually(`${name} listens`, () => /http:\/\/\S+/.exec(service.stdout()));
    return { url: line[0], lines: () => service.stdout().split('\n').slice(1, -1) };
  };
  const notification = await start('notification');
  const assessment = await start('assessment');
  const flagFile = join(cwd, 'flags.json');
  const env = {
    JOBS: String(JOBS),
    NOTIFICATION_SERVICE_URL: notification.url,
    ASSESSMENT_SERVICE_URL: assessment.url,
    ATMA_EVENTS_FLAG_FILE: flagFile,
  };
  const work = async (stage: Stage) => {
    await moveFlag({
      ...{ file: flagFile, to: { stage, percent: 100 }, expected: readFlagFile(flagFile).hash },
      ...{ by: 'test', reason: 'the example', forced: true, evidence: null, now: Date.now },
    });
    const worker = await startProgram(['worker.mjs'], { cwd, env }).ended;
    expect(worker).toMatchObject({ exitCode: 0, stderr: '' });
    return worker.stdout.trimEnd().split('\n');
  };

  // What is no callback at all is refused, and the service lives on.
  for (const { url } of [notification, assessment]) {
    expect((await fetch(url, { method: 'POST', body: 'no JSON' })).status).toBe(400);
  }

  const shadow = await work('shadow');
  expect(shadow).toHaveLength(JOBS);
  expect(shadow[0]).toBe('job 1: shadow, event stored, callbacks: notification sent, assessment sent');
  // 5 users, 5 jobs and 1 refund, by callback.
  const refunds = () => assessment.lines().filter((line) => line.includes('refunded'));
  expect(notification.lines()).toHaveLength(5);
  expect(notification.lines()[0]).toBe('callback: told 00000001 analysis-complete');
  expect(refunds()).toEqual(['callback: refunded 1 token of job 00000005']);

  // The same jobs in live, as if each were delivered again: their effects have happened, on the other path.
  const live = await work('live');
  expect(live[4]).toBe('job 5: live, event stored, callbacks: notification queued, assessment queued');
  const complete = await work('complete');
  expect(complete[0]).toBe(
    'job 1: complete, event stored, callbacks: notification not-sent, assessment not-sent',
  );
  // A sixth job shows that what was sent before it has been dealt with.
  env.JOBS = '6';
  await work('complete');
  await eventually('the sixth user is told', () => notification.lines().length === 6);
  await eventually('the sixth job is closed', () => assessment.lines().length === 7);
  expect(notification.lines()[5]).toBe('event: told 00000006 analysis-complete');
  expect(refunds()).toHaveLength(1);
});
