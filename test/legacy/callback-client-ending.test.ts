/** What ends a client, or a send before its answer. */
import { afterEach, describe, expect, it } from 'vitest';
import type { CallbackClientOptions } from '../../src/legacy/callback-client-options.js';
import { eventually, gate, within } from '../await.js';
import { type Answer, CALLBACK, clientOf, rejection, startService } from './services.js';

const releases: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const release of releases.splice(0).toReversed()) await release();
});

async function stage(answer: number | Answer = 200, options: Partial<CallbackClientOptions> = {}) {
  const service = await startService(answer);
  releases.push(() => service.close());
  const client = clientOf(service.url, options);
  releases.push(() => client.close({ deadlineMs: 1 }));
  return { service, client };
}

describe('closing', () => {
  it('waits for what is being sent, takes no more, and closes the connections', async () => {
    const answering = gate();
    const { service, client } = await stage(async (response) => {
      await answering.opened;
      response.end();
    });
    const sent = client.send(CALLBACK);
    await eventually('it is asked', () => service.seen.length === 1);
    let closed = false;
    const closing = client.close().then(() => {
      closed = true;
    });
    expect(await rejection(client.send(CALLBACK))).toMatchObject({ code: 'closed' });
    expect(closed).toBe(false);
    answering.open();
    expect(await sent).toMatchObject({ status: 200 });
    await within('it closes', closing);
    await eventually('the connection is gone', () => service.sockets.size === 0);
    await within('it closes again', client.close());
  });

  it('waits no longer than its deadline; what is still out is told that it may have been applied', async () => {
    const { service, client } = await stage(() => {});
    const sent = rejection(client.send(CALLBACK));
    await eventually('it is asked', () => service.seen.length === 1);
    await within('it closes', client.close({ deadlineMs: 1 }));
    expect(await sent).toMatchObject({ code: 'closed', maybeApplied: true, attempts: 1, status: null });
  });

  it('before the first send is nothing', async () => {
    await within('it closes', clientOf('http://localhost').close());
  });
});

describe('an AbortSignal', () => {
  it('ends a send in flight, and one that has not begun', async () => {
    const { service, client } = await stage(() => {});
    const controller = new AbortController();
    const sent = rejection(client.send({ ...CALLBACK, signal: controller.signal }));
    await eventually('it is asked', () => service.seen.length === 1);
    controller.abort();
    expect(await within('it ends', sent)).toMatchObject({ code: 'interrupted', maybeApplied: true });
    await eventually('the connection is gone', () => service.sockets.size === 0);

    const late = await rejection(client.send({ ...CALLBACK, signal: controller.signal }));
    expect(late).toMatchObject({ code: 'interrupted', maybeApplied: false, attempts: 0 });
    expect(service.seen).toHaveLength(1);
  });

  it('may be shared by many sends at once without a warning, and keeps no listener', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    releases.push(async () => process.off('warning', onWarning));
    const { client } = await stage();
    const controller = new AbortController();
    const added: unknown[] = [];
    const { addEventListener, removeEventListener } = controller.signal;
    controller.signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      added.push(args[1]);
      addEventListener.apply(controller.signal, args);
    };
    controller.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      added.splice(added.indexOf(args[1]), 1);
      removeEventListener.apply(controller.signal, args);
    };
    const sends = Array.from({ length: 60 }, () => client.send({ ...CALLBACK, signal: controller.signal }));
    expect(added).toHaveLength(1);
    await Promise.all(sends);
    expect(added).toHaveLength(0);
    await new Promise((resolve) => setImmediate(resolve)); // warnings come a tick later
    expect(warnings).toEqual([]);
  });
});
