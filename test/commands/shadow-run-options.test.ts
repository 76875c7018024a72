/** What the proxy of a run does otherwise when it is told to: by default it changes nothing and compares a mebibyte. */
import { createServer } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import {
  callBack,
  describeShadowRun,
  isUp,
  makeJob,
  opened,
  publishCompleted,
  type Receiver,
  startReceiver,
  startRun,
} from './shadow-stage.js';

/** A service that notes by which names it was called. */
async function startNamedReceiver(): Promise<Receiver & { readonly hosts: (string | undefined)[] }> {
  const hosts: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    hosts.push(request.headers.host);
    request.resume().on('end', () => response.end('{"ok":true}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { url: `http://127.0.0.1:${address.port}`, hosts, bodies: [], holdUntil() {} };
}

describeShadowRun((broker) => {
  it('leaves the Host that the caller named, and names the upstream with --rewrite-host', {
    timeout: 60_000,
  }, async () => {
    const receiver = await startNamedReceiver();
    const [asItIs, rewriting] = await Promise.all([
      startRun(broker, { receiver }),
      startRun(broker, { receiver, args: ['--rewrite-host'] }),
    ]);
    expect(await callBack(asItIs.url, makeJob())).toEqual([200, 200]);
    expect(receiver.hosts.splice(0)).toEqual(Array(2).fill(new URL(asItIs.url).host));
    expect(await callBack(rewriting.url, makeJob())).toEqual([200, 200]);
    expect(receiver.hosts).toEqual(Array(2).fill(new URL(receiver.url).host));
  });

  it('passes bodies beyond --body-limit whole, and compares those within', { timeout: 60_000 }, async () => {
    const receiver = await startReceiver();
    // Only the notification service's callback, which names the user as well, is longer.
    const run = await startRun(broker, { receiver, args: ['--body-limit', '150'] });
    await run.saved('everything is up', isUp);
    const transport = await opened(broker);
    const job = makeJob();
    const [statuses] = await Promise.all([callBack(run.url, job), publishCompleted(broker, transport, job)]);
    expect(statuses).toEqual([200, 200]);
    const bodies = receiver.bodies.toSorted((a, b) => a.length - b.length);
    expect(bodies.map((body) => JSON.parse(body).jobId)).toEqual([job.jobId, job.jobId]);
    expect(bodies[0]?.length).toBeLessThan(150);
    expect(bodies[1]?.length).toBeGreaterThan(150);
    const { counts } = await run.saved(
      'both legs are judged',
      ({ counts: { totals } }) => totals.match + totals.missingCallback === 2,
    );
    expect(counts.totals).toMatchObject({ match: 1, missingCallback: 1, extra: 1 });
    expect(counts.extra).toMatchObject([
      {
        reason: 'no-job',
        what: expect.stringContaining('only the start of the body was recorded'),
        count: 1,
      },
    ]);
  });
});
