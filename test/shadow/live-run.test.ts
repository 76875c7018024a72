/** A run within this process, so that its clock can be moved: what nobody looked at is a gap, and a file is read once. */
import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { deliveryLine } from '../../src/legacy/delivery-record.js';
import { atma } from '../../src/presets/atma.js';
import { type LiveRunOptions, startLiveRun } from '../../src/shadow/live-run.js';
import { readRun } from '../../src/shadow/read-run.js';
import type { RunSummary } from '../../src/shadow/run-summary.js';
import { createTransport } from '../../src/transports/index.js';
import { eventually } from '../await.js';
import { callBack, isUp, makeJob, publishCompleted, startReceiver } from '../commands/shadow-stage.js';
import { SHADOW } from './scene.js';

async function scene() {
  const folder = mkdtempSync(join(tmpdir(), 'shadow-live-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const transport = await createTransport(`embedded:${join(folder, 'broker.db')}`);
  onTestFinished(() => transport.close());
  const { topology, catalog } = atma.build({});
  await transport.apply(topology);
  const receiver = await startReceiver();
  const store = join(folder, 'run', 'shadow.db');
  const told: string[] = [];
  let skipped = 0;
  const start = async (more: Partial<LiveRunOptions> = {}) => {
    const run = await startLiveRun({
      proxy: { listen: { port: 0 }, upstreams: { all: receiver.url } },
      ...{ transport, catalog, topology, mapping: SHADOW, store, windowMs: 500, checkpointMs: 20 },
      now: () => Date.now() + skipped,
      warn: (text) => void told.push(text),
      note: (text) => void told.push(text),
      ...more,
    });
    onTestFinished(async () => void (await run.end()));
    return run;
  };
  const saved = (what: string, holds: (summary: RunSummary) => boolean) =>
    eventually(what, () => {
      const run = readRun(store);
      run.close();
      if (holds(run.summary)) return run.summary;
      throw new Error(JSON.stringify({ ...run.summary.counts.totals, gaps: run.summary.gaps }));
    });
  const skip = (ms: number) => {
    skipped += ms;
  };
  return { folder, store, transport, told, start, saved, skip };
}

test('a process that was stopped has a gap in proxy and taps, and goes on', async () => {
  const { start, saved, skip, told, transport } = await scene();
  const run = await start();
  await saved('everything is up', isUp);
  skip(9_000); // merely slow
  const later = Date.now() + 8_000;
  await saved('it has looked again', ({ sources }) =>
    sources.every(({ watermark }) => Number(watermark) > later),
  );
  skip(60_000);
  const { gaps } = await saved('the gaps are known', ({ gaps }) => gaps.length === 2);
  expect(gaps.map(({ source, from, to }) => ({ source, over: (to ?? 0) - from >= 60_000 }))).toEqual([
    { source: 'proxy', over: true },
    { source: 'taps', over: true },
  ]);
  expect(told).toEqual(['This process was stopped for 60 s: a gap is recorded.']);
  const job = makeJob();
  await Promise.all([callBack(run.url, job), publishCompleted({ env: {} }, transport, job)]);
  await saved('the job is judged', ({ counts }) => counts.totals.match === 2);
});

test('a port that is taken leaves no store behind', async () => {
  const { start, store } = await scene();
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void other.close());
  const address = other.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const proxy = { listen: { port }, upstreams: { all: 'http://127.0.0.1:9' } };
  await expect(start({ proxy })).rejects.toMatchObject({ code: 'usage' });
  expect(readdirSync(join(store, '..', '..'))).not.toContain('run');
});

test('a store that is another run’s ends the proxy, too', async () => {
  const { start, saved } = await scene();
  await start();
  await saved('everything is up', isUp);
  await expect(start()).rejects.toMatchObject({ code: 'usage' });
});

test('every line of a file is taken once, whenever the run is started again', async () => {
  const { folder, start, saved, transport } = await scene();
  const path = join(folder, 'reports.jsonl');
  writeFileSync(path, '');
  const files = [{ path, holds: 'reports' as const, allOf: 'assessment' }];
  const report = (jobId: string) =>
    appendFileSync(
      path,
      deliveryLine({
        ...{ at: new Date().toISOString(), consumer: 'assessment', did: 'acked', via: 'event' },
        ...{ type: 'analysis.completed', event: { jobId } },
      }),
    );
  const first = await start({ files });
  await saved('everything is up', isUp);
  const job = makeJob();
  await Promise.all([callBack(first.url, job), publishCompleted({ env: {} }, transport, job)]);
  report(job.jobId);
  // Two callbacks, two copies, one report; the event has come to the assessment service because that says so.
  await saved('all of it is seen', ({ observations }) => observations === 5);
  await first.end();
  const later = makeJob();
  report(later.jobId); // while nobody looks
  await start({ files });
  const { observations, gaps } = await saved(
    'the job is judged',
    ({ counts, observations }) => counts.totals.match === 2 && observations > 5,
  );
  expect(observations).toBe(6);
  expect(gaps.map(({ source }) => source).toSorted()).toEqual(['proxy', 'taps']);
});
