import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { atma } from '../../src/presets/atma.js';
import { readRun } from '../../src/shadow/read-run.js';
import { openDatabase } from '../../src/storage/sqlite.js';
import { eventually, gate } from '../await.js';
import { runCli } from './cli.js';
import {
  callBack,
  describeShadowRun,
  isUp,
  makeJob,
  opened,
  publishCompleted,
  startReceiver,
  startRun,
} from './shadow-stage.js';

const OK = [200, 200];

describeShadowRun((broker) => {
  it('finds a thousand callbacks and their events the same', { timeout: 90_000 }, async () => {
    const receiver = await startReceiver();
    const run = await startRun(broker, { receiver, window: '4s' });
    await run.saved('everything is up', isUp);
    const transport = await opened(broker);
    const jobs = Array.from({ length: 500 }, makeJob);
    for (let from = 0; from < jobs.length; from += 50) {
      const some = jobs.slice(from, from + 50);
      const statuses = await Promise.all([
        ...some.map((job) => callBack(run.url, job)),
        publishCompleted(broker, transport, ...some).then(() => OK),
      ]);
      expect(statuses.flat().every((status) => status === 200)).toBe(true);
    }
    expect(receiver.bodies).toHaveLength(1_000);
    const { counts, gaps, observations } = await run.saved(
      'all match',
      ({ counts: { totals } }) => totals.match === 1_000,
    );
    expect(counts.totals).toMatchObject({ match: 1_000, pending: 0, missingEvent: 0, late: 0, extra: 0 });
    expect({ gaps, observations }).toEqual({ gaps: [], observations: 2_000 });

    run.child.kill('SIGINT');
    expect((await run.ended).exitCode).toBe(130);
    const folder = dirname(run.store);
    const bytes = Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name))));
    for (const secret of ['geheim', 'budi@']) expect(bytes.includes(secret)).toBe(false);
  });

  it('ends on Ctrl-C with the callbacks in flight answered and recorded', { timeout: 60_000 }, async () => {
    const receiver = await startReceiver();
    const answers = gate();
    const run = await startRun(broker, { receiver, args: ['--json'] });
    await run.saved('everything is up', isUp);
    receiver.holdUntil(answers.opened);
    const statuses = callBack(run.url, makeJob());
    await eventually('they are with the receiver', () => receiver.bodies.length === 2);
    run.child.kill('SIGINT');
    await run.says('Ending: ');
    answers.open();
    expect(await statuses).toEqual(OK);
    const { exitCode, stdout } = await run.ended;
    expect(exitCode).toBe(130);
    const document = JSON.parse(stdout);
    expect(Object.keys(document).slice(0, 3)).toEqual(['legs', 'strata', 'verdict']);
    expect(document).toMatchObject({
      legs: { pending: 2 },
      verdict: 'INCONCLUSIVE',
      run: { store: run.store, state: 'ended' },
      callbacks: { forwarded: 2, lost: 0 },
    });
  });

  it('leaves a store behind when it is killed, and a run that goes on knows a duplicate', {
    timeout: 90_000,
  }, async () => {
    const receiver = await startReceiver();
    const first = await startRun(broker, { receiver });
    await first.saved('everything is up', isUp);
    const transport = await opened(broker);
    const [job, late] = [makeJob(), makeJob()];
    expect(await callBack(first.url, job)).toEqual(OK);
    await publishCompleted(broker, transport, job);
    await first.saved('the job matches', ({ counts: { totals } }) => totals.match === 2);
    first.child.kill('SIGKILL');
    await first.ended;

    const left = readRun(first.store);
    expect(left.state).toBe('stopped');
    expect(left.summary.counts.totals).toMatchObject({ match: 2, pending: 0 });
    left.close();
    await publishCompleted(broker, transport, late); // nobody is looking

    const second = await startRun(broker, { receiver, store: first.store });
    await second.saved('everything is up', isUp);
    await publishCompleted(broker, transport, job);
    const { counts, gaps } = await second.saved(
      'the duplicate is one',
      ({ counts: { totals } }) => totals.duplicate === 2,
    );
    expect(counts.totals).toMatchObject({ match: 0, duplicate: 2, mismatch: 0, missingCallback: 0 });
    expect(gaps.map(({ source, from, to }) => ({ source, lasted: (to ?? from) > from }))).toEqual([
      { source: 'proxy', lasted: true },
      { source: 'taps', lasted: true },
    ]);
  });

  it('forwards callbacks without room on disk, and records again when there is some', {
    timeout: 120_000,
  }, async () => {
    const receiver = await startReceiver();
    const run = await startRun(broker, { receiver, fileLimit: 640 * 1024 });
    await run.saved('everything is up', isUp);
    // While somebody reads, the write-ahead log cannot start anew: soon it is as long as a file may be.
    const reader = openDatabase(run.store, { readonly: true });
    onTestFinished(() => reader.close());
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM legs').get();
    // The same ones each time: much is written, and little must fit in the end.
    const again = Array.from({ length: 60 }, makeJob);
    let sent = 0;
    await eventually(
      'the disk is full',
      async () => {
        const all = await Promise.all(again.map((job) => callBack(run.url, job)));
        expect(all.flat().every((status) => status === 200)).toBe(true);
        sent += all.flat().length;
        return run.stderr().includes('Nothing is recorded for now');
      },
      { withinMs: 90_000, everyMs: 100 },
    );
    for (let more = 0; more < 10; more++) expect(await callBack(run.url, makeJob())).toEqual(OK);
    expect(receiver.bodies).toHaveLength(sent + 20);
    reader.close();
    const tidy = openDatabase(run.store);
    onTestFinished(() => tidy.close());
    const truncate = tidy.prepare('PRAGMA wal_checkpoint(TRUNCATE)');
    await eventually('the log is empty', () => truncate.get()?.[0] === 0);
    // As long as it is open, the run's own closing does not empty a log that has filled up again.
    tidy.close();
    await run.says('Recording again');
    const transport = await opened(broker);
    const before = await run.saved('everything is up', isUp);
    // What still fitted in between makes two gaps of one.
    expect(new Set(before.gaps.map(({ source }) => source))).toEqual(new Set(['proxy', 'taps']));
    expect(before.gaps.every(({ to }) => to !== null)).toBe(true);
    const job = makeJob();
    expect(await callBack(run.url, job)).toEqual(OK);
    await publishCompleted(broker, transport, job);
    await run.saved(
      'the job matches',
      ({ counts }) => counts.totals.match === before.counts.totals.match + 2,
    );
  });

  it('is refused where another run records into the same store, and so is a purge', async () => {
    const receiver = await startReceiver();
    const run = await startRun(broker, { receiver });
    const where = ['--store', run.store];
    const again = ['shadow', 'run', '--listen', '0', '--upstream', `all=${receiver.url}`, ...where];
    for (const args of [again, ['shadow', 'purge', '--yes', ...where]]) {
      const { exitCode, stderr } = await runCli(args, broker.options());
      expect(exitCode).toBe(2);
      expect(stderr).toContain('Another shadow run records into');
    }
    run.child.kill('SIGTERM');
    await run.ended;
    const { exitCode, stdout } = await runCli(['shadow', 'purge', '--yes', ...where], broker.options());
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: `Deleted ${run.store}.\n` });
    expect(readdirSync(dirname(run.store))).toEqual([]);
  });

  it('forwards callbacks before there is an exchange, and records events once there is', {
    timeout: 60_000,
  }, async () => {
    await broker.clean();
    const receiver = await startReceiver();
    const run = await startRun(broker, { receiver });
    await run.says('Events are not recorded');
    expect(await callBack(run.url, makeJob())).toEqual(OK);
    const transport = await opened(broker);
    await transport.apply(atma.build(broker.env).topology);
    const { gaps } = await run.saved('everything is up', isUp);
    expect(gaps).toMatchObject([{ source: 'taps' }]);
    const job = makeJob();
    await publishCompleted(broker, transport, job);
    expect(await callBack(run.url, job)).toEqual(OK);
    const { counts } = await run.saved(
      'all are judged',
      ({ counts: { totals } }) => totals.match + totals.missingEvent === 4,
    );
    // The first job's events are missing in a gap, which is held against nobody.
    expect(counts.totals).toMatchObject({ match: 2, missingEvent: 2 });
    expect(counts.strata.reduce((sum, { bad }) => sum + bad, 0)).toBe(0);
  });
});
