/** Callbacks in dry run, of which thousands may wait, beside callbacks that count. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Position } from '../../src/core/migration/stage.js';
import { type DispatcherTrouble, partListeners } from '../../src/migration/dispatcher-troubles.js';
import { DRY_RUN_TOTAL_MS, dryRunOptions } from '../../src/migration/dry-run-client.js';
import { readFlagFile } from '../../src/migration/flag-file.js';
import { moveFlag } from '../../src/migration/flip.js';
import { openDispatcher } from '../../src/migration/open-dispatcher.js';
import { atma } from '../../src/presets/atma.js';
import { eventually } from '../await.js';
import { temporaryFolder } from '../commands/cli.js';

const { catalog, callbacks: routes = [] } = atma.build({});

const jobOf = (number: number) => ({
  jobId: `3f8a2c1e-6b7d-4e5f-9a0b-${String(number).padStart(12, '0')}`,
  userId: '9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d',
  userEmail: 'user@example.com',
  resultId: '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed',
  metadata: { assessmentName: 'Talent', processingTime: 5 },
});

/** A service that does not answer what it is told to hold, until it is released. */
async function holdingService() {
  const held: ServerResponse[] = [];
  const taken = { dryRun: 0, counting: 0 };
  let holds = (_request: IncomingMessage): boolean => false;
  const server = createServer((request, response) => {
    taken[request.headers['x-dry-run'] === 'true' ? 'dryRun' : 'counting']++;
    request.resume().on('end', () => {
      if (holds(request)) held.push(response);
      else response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.closeAllConnections());
  onTestFinished(() => void server.close());
  return {
    taken,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hold(which: typeof holds) {
      holds = which;
    },
    release() {
      holds = () => false;
      for (const response of held.splice(0)) response.end();
    },
  };
}

const move = (file: string, to: Position) =>
  moveFlag({
    ...{ file, to, expected: readFlagFile(file).hash, by: 'test', reason: 'a test' },
    ...{ forced: true, evidence: null, now: Date.now },
  });

it('a slow service holds up those in dry run, not those that count; and they outlast the time of those that count', async () => {
  const folder = temporaryFolder();
  const flagFile = join(folder, 'flags.json');
  await move(flagFile, { stage: 'live', percent: 100 });
  const service = await holdingService();
  const troubles: DispatcherTrouble[] = [];
  const stages: string[] = [];
  const bus = { catalog, transport: { scheme: 'amqp', publish: async () => {} } };
  const dispatcher = await openDispatcher(bus, {
    ...{ flagFile, pollMs: 10, outboxFile: join(folder, 'outbox.db'), environment: {} },
    routes: routes.filter((route) => route.service === 'notification'),
    services: { notification: service.url },
    callbacks: { maxInFlight: 1, timeouts: { responseMs: 60_000, totalMs: 2_000 }, retry: false },
    onTrouble: (trouble) => troubles.push(trouble),
    onStage: ({ stage }) => stages.push(stage),
  });
  onTestFinished(async () => {
    await dispatcher.close({ deadlineMs: 0 });
  });

  service.hold((request) => request.headers['x-dry-run'] === 'true');
  for (const number of [1, 2, 3]) await dispatcher.analysisCompleted(jobOf(number));
  await eventually('one in dry run has the only connection', () => service.taken.dryRun === 1);
  await move(flagFile, { stage: 'shadow', percent: 100 });
  await eventually('it sees the flip', () => stages.includes('shadow'));
  const counting = await dispatcher.analysisCompleted(jobOf(4));
  expect(counting.callbacks).toMatchObject([{ service: 'notification', outcome: 'sent' }]);

  service.hold(() => true);
  await expect(dispatcher.analysisCompleted(jobOf(5))).rejects.toMatchObject({ code: 'timeout' });
  expect(dispatcher.state().backlog).toBe(3);
  service.release();
  await eventually('those in dry run are through', () => dispatcher.state().backlog === 0);
  expect(service.taken.dryRun).toBe(3);
  expect(troubles).toEqual([]);
});

it('tells of its own circuit by name', () => {
  const told: DispatcherTrouble[] = [];
  const listeners = partListeners((trouble) => told.push(trouble));
  const change = { service: 'notification', state: 'open', pauseMs: 10_000, cause: '503' } as const;
  listeners.callbacks(change);
  listeners.dryRunCallbacks(change);
  expect(told).toMatchObject([
    { dryRun: false, text: expect.stringMatching(/^Callbacks to notification are not sent for 10 s/) },
    {
      dryRun: true,
      text: expect.stringMatching(/^Callbacks in dry run to notification are not sent for 10 s/),
    },
  ]);
});

it('gives every service more time for the whole send, and leaves the rest as it is', () => {
  const services = {
    plain: 'http://a',
    own: { url: 'http://b', maxInFlight: 3 },
    timed: { url: 'http://c', timeouts: { responseMs: 5, totalMs: 10 } },
    patient: { url: 'http://d', timeouts: { totalMs: 2 * DRY_RUN_TOTAL_MS } },
  };
  const timeouts = { connectMs: 7 };
  expect(dryRunOptions({ services, timeouts, maxInFlight: 9 })).toEqual({
    services: {
      plain: 'http://a',
      own: { url: 'http://b', maxInFlight: 3 },
      timed: { url: 'http://c', timeouts: { responseMs: 5, totalMs: DRY_RUN_TOTAL_MS } },
      patient: services.patient,
    },
    timeouts: { connectMs: 7, totalMs: DRY_RUN_TOTAL_MS },
    maxInFlight: 9,
  });
});
