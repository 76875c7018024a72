/** Plants the faults that a shadow run, or the gate, has to report. */

import { randomUUID } from 'node:crypto';
import { plainHeaders, type ReceivedMessage } from '../core/message.js';
import type { Stage } from '../core/migration/stage.js';
import { HEADER_FACT } from '../core/migration/stamp.js';
import type { Job } from './facts.js';
import type { FaultName, PlannedFault } from './faults.js';
import {
  FAULT_JOBS,
  type FaultOutcome,
  type FaultReport,
  NOTICE_LIMIT_MS,
  REFUSED_CALLBACKS,
} from './inject.js';
import { refusedMove } from './moving.js';
import { deadLettersOf } from './names.js';
import { jobOfFact, type Scene, settled } from './scene.js';
import type { LegOutcomes } from './shadow-watch.js';

/** Between two looks by a command of ours: each is a process. */
const LOOK_MS = 500;

/** A fault that was planted, and how it shows in the report of the run. */
interface Planted {
  readonly did: string;
  readonly jobs: readonly Job[];
  reported(legs: LegOutcomes): string | null;
}

type Plant = (scene: Scene, stage: Stage) => Promise<Planted>;

const PLANTS: { readonly [F in FaultName]?: Plant } = {
  'callbacks-400': refusedInDryRun,
  'duplicate-publish': duplicatePublish,
  'poison-event': poisonEvent,
};

/** All of a stage that one run can watch, in one run; its verdict counts for nothing. */
export async function plantWatched(
  scene: Scene,
  stage: Stage,
  faults: readonly PlannedFault[],
): Promise<readonly FaultReport[]> {
  if (faults.length === 0) return [];
  return scene.withShadow(`faults-${stage}`, async (watch) => {
    const planted: (Planted & PlannedFault)[] = [];
    for (const fault of faults) {
      const plant = PLANTS[fault.fault];
      if (plant !== undefined) planted.push({ ...fault, ...(await plant(scene, stage)) });
    }
    await settled(
      scene,
      planted.flatMap(({ jobs }) => jobs),
    );
    await watch.closed();
    let legs: LegOutcomes | undefined;
    await scene.waitUntil(
      async () => {
        legs = await watch.legs();
        return planted.every(({ reported }) => legs !== undefined && reported(legs) !== null);
      },
      NOTICE_LIMIT_MS,
      LOOK_MS,
    );
    return planted.map(({ fault, did, reported }) => ({
      ...{ fault, stage, did },
      reported: legs === undefined ? null : reported(legs),
    }));
  });
}

async function refusedInDryRun(scene: Scene, stage: Stage): Promise<Planted> {
  const planted = scene.callbacks.refuseNext(REFUSED_CALLBACKS, 400);
  const jobs = await scene.driving.drive(FAULT_JOBS, stage);
  await scene.waitUntil(() => planted.hit() >= REFUSED_CALLBACKS, NOTICE_LIMIT_MS);
  scene.callbacks.stop();
  await settled(scene, jobs); // what comes next has legs of its own
  const hit = planted.hit();
  return {
    jobs,
    did: `${hit} callbacks in dry run answered 400`,
    reported: ({ refused }) => (hit > 0 && refused >= hit ? `shadow report: ${refused} refused` : null),
  };
}

const COPIES = 3;

async function duplicatePublish(scene: Scene, stage: Stage): Promise<Planted> {
  const { names, transport } = scene;
  const seen: ReceivedMessage[] = [];
  const tap = await transport.tap(
    { bindings: [{ exchange: names.exchange, key: 'analysis.failed' }] },
    { onMessage: (message) => void seen.push(message), onGap() {} },
  );
  const jobs = await scene.driving.drive(FAULT_JOBS, stage);
  const own = new Set(jobs.map(({ id }) => id));
  const factOf = ({ properties }: ReceivedMessage) =>
    String(plainHeaders(properties.headers)[HEADER_FACT] ?? '');
  const find = () => seen.find((message) => own.has(jobOfFact(factOf(message))));
  await scene.waitUntil(() => find() !== undefined, NOTICE_LIMIT_MS);
  await tap.close();
  await settled(scene, jobs);
  const original = find();
  if (original !== undefined) {
    const { exchange, routingKey, body, properties } = original;
    for (let copy = 0; copy < COPIES; copy++)
      await transport.publish({ exchange, routingKey, body, properties });
  }
  return {
    jobs,
    did:
      original === undefined
        ? 'no event was seen'
        : `one ${original.routingKey} published ${COPIES} times more`,
    reported: ({ duplicate }) => (duplicate > 0 ? `shadow report: ${duplicate} duplicate` : null),
  };
}

async function poisonEvent({ names, transport, waitUntil }: Scene): Promise<Planted> {
  const queues = [names.notifications, names.assessments].map(deadLettersOf);
  const ready = () => Promise.all(queues.map(async (queue) => (await transport.counts(queue))?.ready ?? 0));
  const before = await ready();
  await transport.publish({
    exchange: names.exchange,
    routingKey: 'analysis.completed',
    body: Buffer.from(JSON.stringify({ eventType: 'analysis.completed', jobId: randomUUID() })),
    properties: {
      contentType: 'application/json',
      messageId: `poison-${randomUUID()}`,
      type: 'analysis.completed',
    },
  });
  const isDead = await waitUntil(
    async () => (await ready()).every((count, at) => count > (before[at] ?? 0)),
    NOTICE_LIMIT_MS,
  );
  return {
    jobs: [],
    did: 'an event without a user published',
    reported: ({ invalid }) =>
      isDead && invalid > 0 ? `shadow report: ${invalid} invalid; both dead-letter queues` : null,
  };
}

/** In a run of its own: the verdict has to be UNSAFE, and the gate has to refuse what would follow. */
export async function plantDrift(scene: Scene, stage: Stage): Promise<FaultOutcome> {
  const { callbacks, driving } = scene;
  const found = await scene.withShadow(`drift-${stage}`, async (watch) => {
    const planted = callbacks.drift();
    const jobs = await driving.drive(FAULT_JOBS, stage);
    await settled(scene, jobs);
    callbacks.stop();
    await watch.closed();
    let verdict = '';
    await scene.waitUntil(
      async () => {
        verdict = (await watch.verdict()).verdict;
        return verdict === 'UNSAFE';
      },
      NOTICE_LIMIT_MS,
      LOOK_MS,
    );
    return { verdict, store: watch.store, hit: planted.hit() };
  });
  const refused = await refusedMove(scene, stage, found.store, 'verdict');
  return {
    did: `the error message differed in ${found.hit} callbacks`,
    reported: found.verdict === 'UNSAFE' && refused ? 'shadow verdict: UNSAFE; flag set: exit 4' : null,
  };
}
