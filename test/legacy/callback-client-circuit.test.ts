/** A service that keeps failing is left alone, probed, and taken up again. */
import { afterEach, describe, expect, it } from 'vitest';
import { countingTimer } from '../../src/core/consuming/timer.js';
import type {
  CallbackCircuitChange,
  CallbackClientOptions,
} from '../../src/legacy/callback-client-options.js';
import { eventually, gate, within } from '../await.js';
import { manualTime } from '../core/consuming/manual-time.js';
import { type Answer, CALLBACK, clientOf, rejection, startService } from './services.js';

const releases: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release();
});

/** The service answers what `now.status` says at the time; the circuit opens at the second failure of two. */
async function stage(options: Partial<CallbackClientOptions> = {}, answer?: Answer) {
  const time = manualTime();
  const says = { status: 200 };
  const service = await startService(answer ?? ((response) => response.writeHead(says.status).end()));
  releases.push(() => service.close());
  const changes: CallbackCircuitChange[] = [];
  const client = clientOf(service.url, {
    now: time.now,
    setTimer: time.setTimer,
    retry: false,
    circuit: { window: 2, threshold: 1, openMs: 10_000 },
    onCircuit: (change) => changes.push(change),
    ...options,
  });
  releases.push(() => client.close());
  const fail = async (times: number) => {
    for (let n = 0; n < times; n++)
      expect(await rejection(client.send(CALLBACK))).toMatchObject({ status: 500 });
  };
  return { time, says, service, changes, client, fail };
}

const LEFT_ALONE = {
  code: 'unreachable',
  attempts: 0,
  message: expect.stringContaining('its circuit is open'),
};

describe('the circuit of a service', () => {
  it('opens when it keeps failing: nothing is sent until a probe, whose success closes it', async () => {
    const { time, says, service, changes, client, fail } = await stage();
    says.status = 500;
    await fail(2);
    expect(await rejection(client.send(CALLBACK))).toMatchObject(LEFT_ALONE);
    time.pass(9_999);
    expect(await rejection(client.send(CALLBACK))).toMatchObject(LEFT_ALONE);
    expect(service.seen).toHaveLength(2);
    time.pass(1);
    says.status = 200;
    expect(await client.send(CALLBACK)).toMatchObject({ status: 200 });
    expect(await client.send(CALLBACK)).toMatchObject({ status: 200 });
    expect(changes).toEqual([
      { service: 'notification', state: 'open', pauseMs: 10_000, cause: 'status 500' },
      { service: 'notification', state: 'half-open', pauseMs: 0, cause: 'status 500' },
      { service: 'notification', state: 'closed', pauseMs: 0, cause: undefined },
    ]);
  });

  it('opens again, for twice as long, when the probe fails', async () => {
    const { time, says, changes, client, fail } = await stage();
    says.status = 500;
    await fail(2);
    time.pass(10_000);
    await fail(1);
    expect(await rejection(client.send(CALLBACK))).toMatchObject(LEFT_ALONE);
    expect(changes.map(({ state, pauseMs }) => [state, pauseMs])).toEqual([
      ['open', 10_000],
      ['half-open', 0],
      ['open', 20_000],
    ]);
  });

  it('lets one request through while it is half-open', async () => {
    const answering = gate();
    let failing = true;
    const { time, service, client, fail } = await stage({}, async (response) => {
      if (failing) return response.writeHead(500).end();
      await answering.opened;
      response.end();
    });
    await fail(2);
    failing = false;
    time.pass(10_000);
    const probe = client.send(CALLBACK);
    await eventually('the probe is there', () => service.seen.length === 3);
    expect(await rejection(client.send(CALLBACK))).toMatchObject(LEFT_ALONE);
    answering.open();
    expect(await probe).toMatchObject({ status: 200 });
    expect(await client.send(CALLBACK)).toMatchObject({ status: 200 });
  });

  it('lets another through when the probe was given up by its caller', async () => {
    let answer: 'fail' | 'hang' | 'well' = 'fail';
    const { time, service, client, fail } = await stage({}, (response) => {
      if (answer !== 'hang') response.writeHead(answer === 'fail' ? 500 : 200).end();
    });
    await fail(2);
    time.pass(10_000);
    answer = 'hang';
    const controller = new AbortController();
    const probe = rejection(client.send({ ...CALLBACK, signal: controller.signal }));
    await eventually('the probe is there', () => service.seen.length === 3);
    controller.abort();
    await probe;
    answer = 'well';
    expect(await client.send(CALLBACK)).toMatchObject({ status: 200 });
  });

  it('stays closed whatever the service refuses: that is an answer', async () => {
    const { says, service, changes, client } = await stage();
    says.status = 400;
    for (let n = 0; n < 10; n++) await rejection(client.send(CALLBACK));
    expect(service.seen).toHaveLength(10);
    expect(changes).toEqual([]);
  });

  it('does not count a kept connection that is gone', async () => {
    let resets = 1;
    const { changes, client } = await stage({ circuit: { window: 1 } }, (response, request) => {
      if (request.headers['x-nth'] === '2' && resets-- > 0) request.socket.resetAndDestroy();
      else response.end();
    });
    await client.send(CALLBACK);
    expect(await client.send({ ...CALLBACK, headers: { 'x-nth': '2' } })).toMatchObject({ attempts: 2 });
    expect(changes).toEqual([]);
  });

  it('ends the retries of a send whose failures opened it', async () => {
    const { service, client } = await stage({
      ...{ now: Date.now, setTimer: countingTimer },
      retry: { retries: 5, firstDelayMs: 1 },
    });
    await service.close();
    expect(await rejection(client.send(CALLBACK))).toMatchObject({
      code: 'unreachable',
      attempts: 2,
      message: expect.stringMatching(/was not sent after ECONNREFUSED: its circuit is open$/),
    });
  });

  it('is its own: another service goes on', async () => {
    const broken = await stage();
    broken.says.status = 500;
    const well = await stage();
    const { client } = await stage({
      services: { notification: broken.service.url, assessment: { url: well.service.url } },
    });
    for (let n = 0; n < 2; n++) await rejection(client.send(CALLBACK));
    expect(await rejection(client.send(CALLBACK))).toMatchObject(LEFT_ALONE);
    expect(await client.send({ ...CALLBACK, service: 'assessment' })).toMatchObject({ status: 200 });
  });

  it('opens for a service that hangs, also where the send ends before the answer’s own limit', async () => {
    const { time, service, changes, client } = await stage({ timeouts: { totalMs: 5_000 } }, () => {});
    for (const requests of [1, 2]) {
      const sent = rejection(client.send(CALLBACK));
      await eventually('it is asked', () => service.seen.length === requests);
      time.pass(5_000);
      expect(await within('the end', sent)).toMatchObject({ code: 'timeout' });
    }
    expect(changes).toMatchObject([{ state: 'open', cause: 'no answer in time' }]);
  });

  it('does not count a send whose time was over almost when its turn came', async () => {
    const timeouts = { responseMs: 9_000, totalMs: 10_000 };
    const { time, service, changes, client } = await stage({ timeouts, maxInFlight: 1 }, () => {});
    const first = rejection(client.send(CALLBACK));
    const second = rejection(client.send(CALLBACK));
    await eventually('the first is there', () => service.seen.length === 1);
    time.pass(9_000);
    expect(await within('the end', first)).toMatchObject({ code: 'timeout' });
    await eventually('the second is there', () => service.seen.length === 2);
    time.pass(1_000);
    expect(await within('the end', second)).toMatchObject({ code: 'timeout', attempts: 1 });
    expect(changes).toEqual([]);

    const third = rejection(client.send(CALLBACK));
    await eventually('the third is there', () => service.seen.length === 3);
    time.pass(9_000);
    expect(await within('the end', third)).toMatchObject({ code: 'timeout' });
    expect(changes).toMatchObject([{ state: 'open' }]);
  });

  it('can be done without', async () => {
    const { says, service, fail } = await stage({ circuit: false });
    says.status = 500;
    await fail(20);
    expect(service.seen).toHaveLength(20);
  });
});
