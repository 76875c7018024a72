/** What a run knows beyond the two paths, and what is left when it is killed at work. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createDeliveryRecorder } from '../../src/legacy/record-delivery.js';
import { OUTCOMES } from '../../src/shadow/leg.js';
import { readRun } from '../../src/shadow/read-run.js';
import { openAppend } from '../../src/storage/append-file.js';
import { eventually } from '../await.js';
import { temporaryFolder } from './cli.js';
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

describeShadowRun((broker) => {
  it('tells an event that its consumer gave up from one that arrived', { timeout: 60_000 }, async () => {
    const receiver = await startReceiver();
    const run = await startRun(broker, { receiver });
    await run.saved('everything is up', isUp);
    const transport = await opened(broker);
    await transport.consume(broker.notifications, {}, (delivery) => void delivery.reject());
    const job = makeJob();
    await Promise.all([callBack(run.url, job), publishCompleted(broker, transport, job)]);
    const { counts, findings } = await run.saved(
      'both legs are judged',
      ({ counts: { totals } }) => totals.match + totals.missingEvent === 2,
    );
    expect(counts.totals).toMatchObject({ match: 1, missingEvent: 1, extra: 0 });
    expect(findings).toMatchObject([{ outcome: 'missingEvent', consumer: 'notification', evidence: 'bad' }]);
    expect(findings[0]?.says).toMatch(/dead-letter/);
  });

  it('reads what consumers report, and sees a fact that both paths applied', {
    timeout: 60_000,
  }, async () => {
    const receiver = await startReceiver();
    const path = join(temporaryFolder(), 'reports.jsonl');
    writeFileSync(path, '');
    const run = await startRun(broker, { receiver, args: ['--spool', `all-of:assessment=${path}`] });
    await run.saved('everything is up', isUp);
    const transport = await opened(broker);
    const file = openAppend(path);
    onTestFinished(() => file.close());
    const { recordDelivery } = createDeliveryRecorder({
      consumer: 'assessment',
      write: file.append,
      onGap: () => {},
    });
    const [twice, unacked] = [makeJob(), makeJob()];
    for (const job of [twice, unacked]) {
      await Promise.all([callBack(run.url, job), publishCompleted(broker, transport, job)]);
    }
    const fact = { type: 'analysis.completed', event: { jobId: twice.jobId } };
    recordDelivery({ did: 'acked', via: 'event', ...fact });
    recordDelivery({ did: 'applied', via: 'event', ...fact });
    recordDelivery({ did: 'applied', via: 'callback', ...fact });
    const { counts, gaps } = await run.saved(
      'all legs are judged',
      ({ counts: { totals } }) => totals.match + totals.duplicate + totals.missingEvent === 4,
    );
    expect(counts.totals).toMatchObject({ match: 2, duplicate: 1, missingEvent: 1 });
    expect(counts.strata.filter(({ bothApplied }) => bothApplied > 0)).toMatchObject([
      { consumer: 'assessment', bothApplied: 1 },
    ]);
    expect(gaps).toEqual([]);
    run.child.kill('SIGINT');
    expect((await run.ended).stdout).toContain('UNSAFE');
  });

  it('is half recorded nowhere when it is killed at work', { timeout: 90_000 }, async () => {
    const receiver = await startReceiver();
    const run = await startRun(broker, { receiver, window: '1s' });
    await run.saved('everything is up', isUp);
    let running = true;
    const load = (async () => {
      // Nothing is published: every leg that closes is one that lacks its event, and is listed.
      while (running) await callBack(run.url, makeJob()).catch(() => {});
    })();
    await run.saved('legs have closed', ({ counts: { totals } }) => totals.missingEvent > 200);
    run.child.kill('SIGKILL');
    await run.ended;
    running = false;
    await load;

    const left = readRun(run.store);
    onTestFinished(() => left.close());
    const { totals } = left.summary.counts;
    const closed = OUTCOMES.reduce((sum, outcome) => sum + totals[outcome], 0);
    expect(left.legCount).toBe(closed - totals.match);
    expect(closed + totals.pending).toBe(left.summary.observations);
    expect(left.legs(1_000_000)).toHaveLength(left.legCount);

    const again = await startRun(broker, { receiver, store: run.store, window: '1s' });
    const { counts } = await again.saved(
      'what was open is judged',
      ({ counts: { totals } }) => totals.pending === 0,
    );
    expect(counts.totals.missingEvent).toBe(closed + totals.pending);
    await eventually('it goes on', () => again.stderr().includes('callbacks on'));
  });
});
