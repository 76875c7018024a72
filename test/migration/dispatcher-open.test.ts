/** A dispatcher with all its parts: where they are found, what opening and closing leave behind, and what is told. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { EventsError } from '../../src/core/errors.js';
import type { OutgoingMessage } from '../../src/core/message.js';
import type { Position } from '../../src/core/migration/stage.js';
import { type DispatcherTrouble, warnOfTroubles } from '../../src/migration/dispatcher-troubles.js';
import { environmentStage } from '../../src/migration/environment-stage.js';
import { readFlagFile } from '../../src/migration/flag-file.js';
import { moveFlag } from '../../src/migration/flip.js';
import { type OpenDispatcherOptions, openDispatcher } from '../../src/migration/open-dispatcher.js';
import { atma } from '../../src/presets/atma.js';
import { eventually } from '../await.js';
import { temporaryFolder } from '../commands/cli.js';

const { catalog, callbacks: routes = [] } = atma.build({});

const completed = {
  jobId: '3f8a2c1e-6b7d-4e5f-9a0b-1c2d3e4f5a6b',
  userId: '9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d',
  userEmail: 'user@example.com',
  resultId: '1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed',
  metadata: { assessmentName: 'Talent', processingTime: 5 },
};

/** A bus whose broker takes what it is given, or is down. */
function busOf({ down = false } = {}) {
  const published: OutgoingMessage[] = [];
  const publish = async (message: OutgoingMessage): Promise<void> => {
    if (down) throw new EventsError('unreachable', 'amqp://guest:secret@broker is down');
    published.push(message);
  };
  const transport = { scheme: 'amqp', publish };
  return { published, catalog, callbacks: routes, source: 'analysis-worker', transport };
}

/** A service that notes what it is sent, and answers with `status`. */
async function serve(status = 200) {
  const requests: { url: string | undefined; headers: IncomingHttpHeaders }[] = [];
  const server = createServer((request, response) => {
    requests.push({ url: request.url, headers: request.headers });
    request.resume().on('end', () => response.writeHead(status).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.closeAllConnections());
  onTestFinished(() => void server.close());
  return { requests, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function open(bus: ReturnType<typeof busOf>, folder: string, options: OpenDispatcherOptions = {}) {
  const troubles: DispatcherTrouble[] = [];
  const dispatcher = await openDispatcher(bus, {
    ...{ outboxFile: join(folder, 'outbox.db'), environment: {}, pollMs: 10 },
    onTrouble: (trouble) => troubles.push(trouble),
    ...options,
  });
  onTestFinished(async () => {
    await dispatcher.close({ deadlineMs: 0 });
  });
  return { dispatcher, troubles };
}

const move = (file: string, to: Position) =>
  moveFlag({
    ...{ file, to, expected: readFlagFile(file).hash, by: 'test', reason: 'a test' },
    ...{ forced: true, evidence: null, now: Date.now },
  });

it('without a flag file it is off, or live where USE_EVENT_DRIVEN says so, for good', () => {
  const stageOf = (USE_EVENT_DRIVEN?: string) => environmentStage({ USE_EVENT_DRIVEN }).decide('job');
  expect(stageOf()).toEqual({ stage: 'off', epoch: 0, inSample: true });
  expect(stageOf('')).toMatchObject({ stage: 'off' });
  expect(stageOf('false')).toMatchObject({ stage: 'off' });
  expect(stageOf('true')).toMatchObject({ stage: 'live', epoch: 0 });
  expect(stageOf('TRUE ')).toMatchObject({ stage: 'live' });
  expect(() => stageOf('yes')).toThrow('USE_EVENT_DRIVEN is "yes"');
});

it('finds services, their key and USE_EVENT_DRIVEN in the environment', async () => {
  const { requests, url } = await serve();
  const bus = busOf();
  const { dispatcher } = await open(bus, temporaryFolder(), {
    environment: {
      NOTIFICATION_SERVICE_URL: url,
      ASSESSMENT_SERVICE_URL: `${url}/second`,
      INTERNAL_SERVICE_KEY: 'geheim',
      USE_EVENT_DRIVEN: 'true',
    },
  });
  expect(await dispatcher.analysisCompleted(completed)).toMatchObject({ stage: 'live', event: 'stored' });
  expect(dispatcher.parts.flag).toBeUndefined();
  await dispatcher.close();
  expect(requests.map((request) => request.url).toSorted()).toEqual([
    '/notifications/analysis-complete',
    '/second/assessments/callback/completed',
  ]);
  for (const { headers } of requests) {
    expect(headers).toMatchObject({
      'x-service-key': 'geheim',
      'x-internal-service': 'true',
      'x-dry-run': 'true',
    });
  }
  expect(bus.published).toMatchObject([
    {
      exchange: 'atma_events_exchange',
      routingKey: 'analysis.completed',
      properties: {
        appId: 'analysis-worker',
        headers: { 'x-migration-stage': 'live', 'x-migration-epoch': 0 },
      },
    },
  ]);
});

it('asks for the URL of a service that it has none for, by the name of its variable', async () => {
  const [route] = routes;
  const gone = { ...route, service: 'token-shop' } as (typeof routes)[number];
  const opened = open(busOf(), temporaryFolder(), { routes: [gone] });
  await expect(opened).rejects.toMatchObject({
    code: 'usage',
    message: 'Nobody says where the service "token-shop" is',
    hint: expect.stringContaining('Set TOKEN_SHOP_SERVICE_URL'),
  });
});

it('follows the flag file that the environment names, over USE_EVENT_DRIVEN; one that is given comes first', async () => {
  const folder = temporaryFolder();
  const [named, given] = [join(folder, 'named.json'), join(folder, 'given.json')];
  await move(named, { stage: 'publish', percent: 100 });
  await move(given, { stage: 'shadow', percent: 100 });
  const environment = { ATMA_EVENTS_FLAG_FILE: named, USE_EVENT_DRIVEN: 'true' };
  const { url } = await serve();
  const services = { notification: url, assessment: url };
  const first = await open(busOf(), folder, { environment, services });
  expect(await first.dispatcher.analysisCompleted(completed)).toMatchObject({ stage: 'publish', epoch: 1 });
  await first.dispatcher.close();

  const told: string[] = [];
  const onStage: OpenDispatcherOptions['onStage'] = ({ stage, epoch }) => told.push(`${stage} ${epoch}`);
  const { dispatcher } = await open(busOf(), folder, { environment, services, flagFile: given, onStage });
  expect(await dispatcher.analysisCompleted(completed)).toMatchObject({ stage: 'shadow', epoch: 1 });
  await move(given, { stage: 'live', percent: 100 });
  await eventually('it sees the flip', () => told.length > 0);
  expect(told).toEqual(['live 2']);
  expect(await dispatcher.analysisCompleted(completed)).toMatchObject({ stage: 'live', epoch: 2 });
});

it('tells that there is no flag file, and is off until there is one', async () => {
  const folder = temporaryFolder();
  const { url } = await serve();
  const flagFile = join(folder, 'flags.json');
  const { dispatcher, troubles } = await open(busOf(), folder, {
    flagFile,
    services: { notification: url, assessment: url },
  });
  expect(troubles).toMatchObject([{ about: 'flag', trouble: { kind: 'missing' } }]);
  expect(await dispatcher.analysisCompleted(completed)).toMatchObject({ stage: 'off', event: 'none' });
});

it('does not start on a flag file that it cannot use, and leaves nothing open', async () => {
  const folder = temporaryFolder();
  const flagFile = join(folder, 'flags.json');
  writeFileSync(flagFile, '{"flags": {}}');
  await expect(open(busOf(), folder, { flagFile })).rejects.toMatchObject({ code: 'flag-invalid' });
  expect(existsSync(join(folder, 'outbox.db'))).toBe(false);
  const { dispatcher } = await open(busOf(), folder);
  expect(dispatcher.parts.outbox.state()).toMatchObject({ waiting: 0 });
});

it('a second one on the same outbox is refused, and frees what it had taken', async () => {
  const folder = temporaryFolder();
  const first = await open(busOf(), folder);
  await expect(open(busOf(), folder)).rejects.toMatchObject({ code: 'usage' });
  await first.dispatcher.close();
  await open(busOf(), folder);
});

it('events that could not be sent before it closed are sent by the next one', async () => {
  const folder = temporaryFolder();
  const environment = { USE_EVENT_DRIVEN: 'true' };
  const { url } = await serve();
  const services = { notification: url, assessment: url };
  const down = busOf({ down: true });
  const first = await open(down, folder, { environment, services });
  expect(await first.dispatcher.analysisCompleted(completed)).toMatchObject({ event: 'stored' });
  expect(await first.dispatcher.close({ deadlineMs: 50 })).toEqual({ left: 1 });
  await expect(first.dispatcher.analysisCompleted(completed)).rejects.toMatchObject({ code: 'closed' });
  expect(first.troubles).toMatchObject([{ about: 'outbox', trouble: { kind: 'line' } }]);
  expect(first.troubles[0]?.text).not.toContain('secret');

  const bus = busOf();
  const { dispatcher } = await open(bus, folder, { environment, services });
  await dispatcher.parts.outbox.drained();
  expect(await dispatcher.close()).toEqual({ left: 0 });
  expect(bus.published).toMatchObject([
    {
      properties: {
        headers: { 'idempotency-key': `analysis.completed:${completed.jobId}:${completed.resultId}` },
      },
    },
  ]);
});

it('tells of callbacks in dry run that a service refuses, and not of a key or an address', async () => {
  const { url } = await serve(400);
  const { dispatcher, troubles } = await open(busOf(), temporaryFolder(), {
    environment: { USE_EVENT_DRIVEN: 'true', INTERNAL_SERVICE_KEY: 'geheim' },
    services: { notification: url, assessment: url },
  });
  await dispatcher.analysisCompleted(completed);
  await dispatcher.close();
  expect(troubles).toMatchObject([
    { about: 'fact', trouble: { kind: 'callback-failed', error: { code: 'callback-refused' } } },
    { about: 'fact', trouble: { kind: 'callback-failed' } },
  ]);
  expect(JSON.stringify(troubles)).not.toMatch(/geheim|user@/);
});

it('a disk that takes no outbox is told at the start, in any stage', async () => {
  const folder = temporaryFolder();
  const outboxFile = join(folder, 'outbox.db');
  mkdirSync(outboxFile);
  await expect(open(busOf(), folder, { outboxFile })).rejects.toMatchObject({ code: 'storage' });
});

it('where nobody listens, each kind of trouble is a warning once a minute, with how many there were', () => {
  const warnings: string[] = [];
  let time = 0;
  const tell = warnOfTroubles(
    (text) => warnings.push(text),
    () => time,
  );
  const about = { type: 'analysis.completed', fact: 'f', stage: 'live' } as const;
  const trouble = { ...about, kind: 'callback-failed', service: 'notification', error: 'no' } as const;
  for (let count = 0; count < 3; count++) tell({ about: 'fact', trouble, text: `failed ${count}` });
  tell({ about: 'fact', trouble: { ...trouble, service: 'assessment' }, text: 'another failed' });
  time = 60_000;
  tell({ about: 'fact', trouble, text: 'failed again' });
  expect(warnings).toEqual([
    'failed 0',
    'another failed',
    'failed again (2 more like this since it was last told)',
  ]);
});
