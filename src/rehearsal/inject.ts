/** Plants the faults that nothing but the services and their watch have to notice; compare inject-watched.ts. */

import { plainHeaders } from '../core/message.js';
import type { Stage } from '../core/migration/stage.js';
import { HEADER_FACT } from '../core/migration/stamp.js';
import type { Delivery } from '../core/transport.js';
import type { FaultName, PlannedFault } from './faults.js';
import { deadLettersOf } from './names.js';
import { jobOfFact, type Scene, settled } from './scene.js';
import { PROCESSES, type ProcessName, type Service } from './services.js';
import { expectExit } from './tool.js';
import { documentOf, setupDocument } from './tool-documents.js';

/** What came of a planted fault. */
export interface FaultOutcome {
  readonly did: string;
  /** Who reported it, and how; null: nobody. */
  readonly reported: string | null;
  /** It could not be planted here, and why. */
  readonly leftOut?: string;
}

export interface FaultReport extends PlannedFault, FaultOutcome {}

type Plant = (scene: Scene, stage: Stage) => Promise<FaultOutcome>;

/** Jobs that are on their way during a fault. */
export const FAULT_JOBS = 24;
/** Callbacks that are answered with an error. */
export const REFUSED_CALLBACKS = 6;
/** Somebody has to notice within this, on a machine that has other things to do. */
export const NOTICE_LIMIT_MS = 15_000;
/** What an analysis takes, so that some are in hand when something breaks. */
const IN_HAND_MS = 40;

export const PLANTS: { readonly [F in FaultName]?: Plant } = {
  'notification-killed': (scene, stage) => killed(scene, stage, 'notification-service'),
  'assessment-killed': (scene, stage) => killed(scene, stage, 'assessment-service'),
  'worker-killed': (scene, stage) => killed(scene, stage, 'analysis-worker'),
  'broker-restarted': brokerRestarted,
  'exchange-deleted': exchangeDeleted,
  'callbacks-500': callbacks500,
  'callbacks-400': callbacks400,
  'slow-consumer': slowConsumer,
  'rejecting-consumer': rejectingConsumer,
};

async function killed(scene: Scene, stage: Stage, name: ProcessName): Promise<FaultOutcome> {
  const { driving, services } = scene;
  const before = driving.drive(FAULT_JOBS / 2, stage, { delayMs: IN_HAND_MS });
  await scene.waitUntil(() => scene.book.open() > 0, NOTICE_LIMIT_MS);
  const begun = scene.now();
  await services[name].kill();
  const during = driving.drive(FAULT_JOBS / 2, stage);
  const noticed = await unwell(scene, [name]);
  await services[name].start();
  const awayMs = scene.now() - begun;
  await well(scene, [services[name]]);
  await settled(scene, [...(await before), ...(await during)]);
  return {
    did: `${name} away for ${secondsText(awayMs)}, ${FAULT_JOBS} jobs meanwhile`,
    reported: noticed ? 'GET /health: no answer' : null,
  };
}

async function brokerRestarted(scene: Scene, stage: Stage): Promise<FaultOutcome> {
  const { driving, line, services, transport } = scene;
  if (transport.scheme === 'amqps') {
    const leftOut = 'the broker is reached by amqps:, for which no line can stand in';
    return { did: 'left out', reported: null, leftOut };
  }
  const before = driving.drive(FAULT_JOBS / 2, stage, { delayMs: IN_HAND_MS });
  await scene.waitUntil(() => scene.book.open() > 0, NOTICE_LIMIT_MS);
  const begun = scene.now();
  const all = PROCESSES.map((name) => services[name]);
  if (line === undefined) await Promise.all(all.map((service) => service.kill()));
  else line.cut();
  const during = driving.drive(FAULT_JOBS / 2, stage);
  const noticed = await unwell(scene, ['notification-service', 'assessment-service']);
  if (line === undefined) await Promise.all(all.map((service) => service.start()));
  else line.join();
  const awayMs = scene.now() - begun;
  await well(scene, all);
  await settled(scene, [...(await before), ...(await during)]);
  const what = line === undefined ? 'every process on it killed' : 'all connections cut';
  return {
    did: `${what}, back after ${secondsText(awayMs)}, ${FAULT_JOBS} jobs meanwhile`,
    reported: noticed ? 'GET /health of both services' : null,
  };
}

async function exchangeDeleted(scene: Scene, stage: Stage): Promise<FaultOutcome> {
  const { driving, names, tool, transport } = scene;
  await transport.remove({ exchanges: [names.exchange] });
  const jobs = await driving.drive(FAULT_JOBS, stage);
  const check = expectExit(await tool.run('setup', '--check'), 0, 4);
  const missing = documentOf(setupDocument, check).changes.filter(({ action }) => action === 'create');
  expectExit(await tool.run('setup', '--yes'), 0);
  await settled(scene, jobs);
  const isReported = check.exitCode === 4 && missing.some(({ name }) => name === names.exchange);
  return {
    did: `${FAULT_JOBS} jobs while it was gone; setup brought it back`,
    reported: isReported ? `setup --check: exit 4, ${missing.length} missing` : null,
  };
}

async function callbacks500(scene: Scene, stage: Stage): Promise<FaultOutcome> {
  const { callbacks, driving } = scene;
  const planted = callbacks.refuseNext(REFUSED_CALLBACKS, 500);
  const jobs = await driving.drive(FAULT_JOBS, stage);
  await settled(scene, jobs);
  const again = await scene.waitUntil(() => planted.sentAgain() >= REFUSED_CALLBACKS, NOTICE_LIMIT_MS);
  callbacks.stop();
  return {
    did: `${planted.hit()} callbacks answered 500`,
    reported: again ? `the worker sent ${planted.sentAgain()} of them again` : null,
  };
}

/** Where callbacks count: the job is given up, and waits for the end. */
async function callbacks400(scene: Scene, stage: Stage): Promise<FaultOutcome> {
  const { callbacks, driving, laidAside, names, transport } = scene;
  const planted = callbacks.refuseNext(REFUSED_CALLBACKS, 400);
  const jobs = await driving.drive(FAULT_JOBS, stage);
  await scene.waitUntil(() => planted.hit() >= REFUSED_CALLBACKS, NOTICE_LIMIT_MS);
  callbacks.stop();
  const refused = new Set([...planted.facts()].map(jobOfFact));
  for (const id of refused) laidAside.add(id);
  const dead = deadLettersOf(names.jobs);
  const reported = await scene.waitUntil(
    async () => ((await transport.counts(dead))?.ready ?? 0) >= refused.size,
    NOTICE_LIMIT_MS,
  );
  await settled(scene, jobs);
  return {
    did: `${planted.hit()} callbacks answered 400, their ${refused.size} jobs given up`,
    reported: reported ? `${refused.size} dead letters in ${dead}` : null,
  };
}

async function slowConsumer(scene: Scene, stage: Stage): Promise<FaultOutcome> {
  const { book, driving, services } = scene;
  const service = services['assessment-service'];
  const openBefore = book.open();
  service.pause();
  const begun = scene.now();
  const jobs = await driving.drive(FAULT_JOBS, stage);
  const noticed = await unwell(scene, ['assessment-service']);
  await scene.waitUntil(() => book.open() >= openBefore + FAULT_JOBS, NOTICE_LIMIT_MS);
  const most = book.open() - openBefore;
  const pausedMs = scene.now() - begun;
  service.goOn();
  await settled(scene, jobs);
  return {
    did: `assessment-service stopped for ${secondsText(pausedMs)}, ${most} facts behind`,
    reported: noticed ? 'GET /health: no answer in time' : null,
  };
}

/** As services did before they had a consumer of this core: a message is rejected on its first error. */
async function rejectingConsumer(scene: Scene, stage: Stage): Promise<FaultOutcome> {
  const { driving, laidAside, names, services, transport } = scene;
  const dead = deadLettersOf(names.notifications);
  const before = (await transport.counts(dead))?.ready ?? 0;
  await services['notification-service'].kill();
  const rejected = new Set<string>();
  const consumer = await transport.consume(names.notifications, { prefetch: 1 }, (delivery) => {
    void rejectOutcome(delivery, rejected);
  });
  const jobs = await driving.drive(FAULT_JOBS, stage);
  await scene.waitUntil(() => rejected.size >= REJECTED, NOTICE_LIMIT_MS);
  await consumer.close();
  await services['notification-service'].start();
  for (const fact of rejected) laidAside.add(jobOfFact(fact));
  const reported = await scene.waitUntil(
    async () => ((await transport.counts(dead))?.ready ?? 0) >= before + rejected.size,
    NOTICE_LIMIT_MS,
  );
  await well(scene, [services['notification-service']]);
  await settled(scene, jobs);
  return {
    did: `${rejected.size} events rejected at their first failure`,
    reported: reported && rejected.size > 0 ? `${rejected.size} dead letters in ${dead}` : null,
  };
}

const REJECTED = 3;

/** That a job was begun is of no consequence: taken. Once it has rejected enough, it takes nothing any more. */
async function rejectOutcome(delivery: Delivery, rejected: Set<string>): Promise<void> {
  const { message } = delivery;
  const fact = String(plainHeaders(message.properties.headers)[HEADER_FACT] ?? '');
  if (!/^analysis\.(completed|failed):/.test(fact)) await delivery.ack();
  else if (rejected.size < REJECTED) {
    rejected.add(fact);
    await delivery.reject();
  }
}

/** True once each of them was found unwell after now. */
async function unwell({ health, waitUntil }: Scene, names: readonly ProcessName[]): Promise<boolean> {
  const before = names.map((name) => health.timesUnwell(name));
  return waitUntil(
    () => names.every((name, at) => health.timesUnwell(name) > (before[at] ?? 0)),
    NOTICE_LIMIT_MS,
  );
}

export async function well({ health, waitUntil }: Scene, services: readonly Service[]): Promise<boolean> {
  return waitUntil(
    () => services.every(({ name }) => health.state.get(name)?.well === true),
    NOTICE_LIMIT_MS,
  );
}

export const secondsText = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
