/** Ten thousand jobs at once. */
import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, gate } from '../await.js';
import { manualTime } from '../core/consuming/manual-time.js';
import { CALLBACK, clientOf, rejection, startService } from './services.js';

const releases: (() => unknown)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release();
});

describe('many callbacks at once', () => {
  it('wait their turn: ten thousand go over fifty connections, and each arrives once', {
    timeout: 120_000,
  }, async () => {
    const rejections: unknown[] = [];
    const onRejection = (reason: unknown) => rejections.push(reason);
    const warnings: unknown[] = [];
    const onWarning = (warning: unknown) => warnings.push(warning);
    process.on('unhandledRejection', onRejection).on('warning', onWarning);
    releases.push(() => process.off('unhandledRejection', onRejection).off('warning', onWarning));
    const service = await startService();
    releases.push(() => service.close());
    const client = clientOf(service.url, { timeouts: { totalMs: 600_000, responseMs: 60_000 } });
    const controller = new AbortController();
    const answers = await Promise.all(
      Array.from({ length: 10_000 }, (_, n) =>
        client.send({ ...CALLBACK, body: { jobId: `job-${n}` }, signal: controller.signal }),
      ),
    );
    expect(answers.every(({ status, attempts }) => status === 200 && attempts === 1)).toBe(true);
    const jobs = service.seen.map(({ body }) => (body as { jobId: string }).jobId);
    expect(new Set(jobs).size).toBe(10_000);
    expect(jobs).toHaveLength(10_000);
    expect(service.mostAtOnce()).toBe(50);
    expect(service.connections()).toBe(50);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    for (const socket of service.sockets) expect(socket.listenerCount('error')).toBeLessThan(5);
    await client.close();
    await eventually('the connections are closed', () => service.sockets.size === 0);
    expect(rejections).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it('that fail all together leave no rejection behind', async () => {
    const rejections: unknown[] = [];
    const onRejection = (reason: unknown) => rejections.push(reason);
    process.on('unhandledRejection', onRejection);
    releases.push(() => process.off('unhandledRejection', onRejection));
    const service = await startService((response) => response.socket?.resetAndDestroy());
    releases.push(() => service.close());
    const client = clientOf(service.url, { circuit: { window: 40 } });
    const errors = await Promise.all(Array.from({ length: 500 }, () => rejection(client.send(CALLBACK))));
    expect(new Set(errors.map((error) => (error as { code: unknown }).code))).toEqual(
      new Set(['unreachable']),
    );
    await client.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(rejections).toEqual([]);
  });

  it('may be ended while they wait: the next in line is not held up', async () => {
    const answering = gate();
    const service = await startService(async (response) => {
      await answering.opened;
      response.end();
    });
    releases.push(() => service.close());
    const client = clientOf(service.url, { maxInFlight: 1 });
    releases.push(() => client.close());
    const controller = new AbortController();
    const first = client.send(CALLBACK);
    await eventually('the first is there', () => service.seen.length === 1);
    const second = rejection(client.send({ ...CALLBACK, signal: controller.signal }));
    const third = client.send(CALLBACK);
    controller.abort();
    expect(await second).toMatchObject({ code: 'interrupted', attempts: 0, maybeApplied: false });
    answering.open();
    expect(await Promise.all([first, third])).toMatchObject([{ status: 200 }, { status: 200 }]);
    expect(service.seen).toHaveLength(2);
  });

  it('that wait longer than a send may take are told so', async () => {
    const service = await startService(() => {});
    releases.push(() => service.close());
    const time = manualTime();
    const client = clientOf(service.url, {
      ...{ now: time.now, setTimer: time.setTimer },
      timeouts: { totalMs: 5_000 },
      maxInFlight: 1,
    });
    const sends = [rejection(client.send(CALLBACK)), rejection(client.send(CALLBACK))];
    await eventually('the first is there', () => service.seen.length === 1);
    time.pass(5_000);
    expect(await Promise.all(sends)).toMatchObject([
      { code: 'timeout', attempts: 1, maybeApplied: true },
      {
        code: 'timeout',
        attempts: 0,
        maybeApplied: false,
        message: expect.stringContaining('not done within 5000 ms (0 attempts)'),
      },
    ]);
  });
});
