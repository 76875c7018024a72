/** A shadow run whose broker is not there: at its beginning, and in its middle. */
import { expect, it } from 'vitest';
import { atma } from '../../src/presets/atma.js';
import { createTransport } from '../../src/transports/index.js';
import { findRabbitServer, startRabbit } from '../brokers/rabbitmq.js';
import { callBack, isUp, makeJob, publishCompleted, startReceiver, startRun } from './shadow-stage.js';

const OK = [200, 200];

it.skipIf(findRabbitServer() === undefined)(
  'forwards callbacks while the broker is away, and tells of the gaps',
  { timeout: 180_000 },
  async ({ onTestFinished }) => {
    const rabbit = await startRabbit();
    onTestFinished(() => rabbit.stop());
    const setUp = await createTransport(rabbit.url);
    await setUp.apply(atma.build({}).topology);
    await setUp.close();
    await rabbit.kill();

    const receiver = await startReceiver();
    const options = () => ({ env: { ATMA_EVENTS_URL: rabbit.url } });
    const run = await startRun({ options }, { receiver });
    expect(await callBack(run.url, makeJob())).toEqual(OK);
    await run.says('events are not recorded');
    const without = await run.saved('the taps are known to be down', ({ gaps }) => gaps.length === 1);
    expect(without.gaps).toMatchObject([{ source: 'taps', to: null }]);
    expect(without.counts.totals).toMatchObject({ pending: 2, missingEvent: 0 });

    await rabbit.start();
    await run.saved('everything is up', isUp);
    const transport = await createTransport(rabbit.url);
    const job = makeJob();
    expect(await callBack(run.url, job)).toEqual(OK);
    await publishCompleted({ env: {} }, transport, job);
    await run.saved('the job matches', ({ counts: { totals } }) => totals.match === 2);
    await transport.close();

    await rabbit.kill();
    await run.says('The broker was lost');
    for (let more = 0; more < 20; more++) expect(await callBack(run.url, makeJob())).toEqual(OK);
    await rabbit.start();
    const { gaps, counts } = await run.saved(
      'all are judged',
      (summary) => isUp(summary) && summary.counts.totals.pending === 0,
    );
    expect(gaps.map(({ source, from, to }) => ({ source, ended: to !== null && to > from }))).toEqual([
      { source: 'taps', ended: true },
      { source: 'taps', ended: true },
    ]);
    expect(counts.totals).toMatchObject({ match: 2, missingEvent: 42 });
    // What the broker's absence hid is held against nobody.
    expect(counts.strata.reduce((sum, { bad }) => sum + bad, 0)).toBe(0);
    expect(receiver.bodies).toHaveLength(44);
    run.child.kill('SIGINT');
    expect((await run.ended).exitCode).toBe(130);
  },
);
