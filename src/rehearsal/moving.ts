/** Moves of the flag, as an operator makes them, with jobs on their way. */

import { plainHeaders } from '../core/message.js';
import { rankOf, type Stage, stageAfter } from '../core/migration/stage.js';
import { HEADER_EPOCH } from '../core/migration/stamp.js';
import type { Leg } from './facts.js';
import { SAMPLE_PERCENT } from './limits.js';
import { type Scene, settled } from './scene.js';
import { expectExit } from './tool.js';
import { documentOf, type MoveDocument, moveDocument } from './tool-documents.js';

export interface MoveReport {
  readonly from: Leg;
  readonly to: Leg;
  readonly epoch: number;
  /** Milliseconds from the change of the flag file to the first callback or event that was sent in it. */
  readonly seenMs: number | null;
  /** Jobs on their way meanwhile. */
  readonly jobs: number;
}

/** The gate answered otherwise than it should: the walk ends there. */
export class GateFailure extends Error {}

const FLOW_RATE = 40;
/** On their way before the command begins. */
const LEAST_BEFORE = 5;
const SEEN_LIMIT_MS = 20_000;

export interface MoveOptions {
  /** Of the shadow run that speaks for it. */
  readonly store?: string | undefined;
  readonly explained?: string | undefined;
}

/** Throws `GateFailure`. */
export async function move(
  scene: Scene,
  from: Leg,
  to: Stage,
  options: MoveOptions = {},
): Promise<MoveReport> {
  const { driving, now, waitUntil, where } = scene;
  const leg: Leg = from !== 'off' && to === 'off' ? 'back' : to;
  const sightings = await watchEvents(scene);
  try {
    const flow = driving.flow(leg, FLOW_RATE);
    await waitUntil(() => flow.driven() >= LEAST_BEFORE, SEEN_LIMIT_MS);
    const result = await scene.tool.run('flag', 'set', to, ...argumentsOf(scene, from, to, options));
    const moved = documentOf(moveDocument, expectExit(result, 0, 4));
    if (!moved.changed) {
      await settled(scene, await flow.stop());
      throw new GateFailure(`flag set ${to} was refused: ${wrongChecks(moved)}`);
    }
    where.leg = leg;
    const seen = await waitUntil(
      () => Math.max(scene.epochSeen(), sightings.epoch()) >= moved.epoch,
      SEEN_LIMIT_MS,
      10,
    );
    const seenMs = seen ? Math.max(0, now() - Date.parse(moved.changedAt ?? '')) : null;
    const jobs = await flow.stop();
    if (!seen) scene.problem(`nothing was sent in ${to} within ${SEEN_LIMIT_MS} ms after the flag was moved`);
    await settled(scene, jobs);
    const forced = moved.forced ? ', forced' : '';
    scene.tell(
      'move',
      `${from} → ${to}, seen after ${seenMs ?? '?'} ms, ${jobs.length} jobs on their way${forced}`,
    );
    return { from, to: leg, epoch: moved.epoch, seenMs, jobs: jobs.length };
  } finally {
    await sightings.stop();
  }
}

/**
 * Tries the move to the next stage, which `check` of the gate has to refuse. True when it did. Where it did not, the walk
 * cannot go on: throws `GateFailure`.
 */
export async function refusedMove(
  scene: Scene,
  stage: Stage,
  store: string,
  check: 'verdict' | 'dead-letters',
): Promise<boolean> {
  const to = stageAfter(stage) ?? stage;
  const result = await scene.tool.run('flag', 'set', to, ...argumentsOf(scene, stage, to, { store }));
  const tried = documentOf(moveDocument, expectExit(result, 0, 4));
  if (tried.changed) {
    throw new GateFailure(`flag set ${to} was let through, though its ${check} was not in order`);
  }
  scene.tell('verdict', `flag set ${to}: refused. ${wrongChecks(tried)}`);
  return (
    result.exitCode === 4 && tried.gate?.checks.some((each) => each.check === check && !each.ok) === true
  );
}

function argumentsOf({ plan }: Scene, from: Leg, to: Stage, { store, explained }: MoveOptions): string[] {
  const isForward = from !== 'back' && rankOf(to) > rankOf(from);
  return [
    ...['--yes', '--reason', 'rehearsal'],
    ...(isForward && plan.gateOff ? ['--force'] : []),
    ...(store === undefined ? [] : ['--store', store]),
    ...(explained === undefined ? [] : ['--dlq-explained', explained]),
    ...(to === 'rampdown' ? ['--sample', String(SAMPLE_PERCENT)] : []),
  ];
}

function wrongChecks({ gate }: MoveDocument): string {
  const wrong = gate?.checks.filter(({ ok }) => !ok) ?? [];
  return wrong.map(({ check, text }) => `${check}: ${text}`).join(' ');
}

/** The epochs that events are stamped with: in `complete` there are no callbacks to see them by. */
async function watchEvents({ names, transport }: Scene): Promise<{ epoch(): number; stop(): Promise<void> }> {
  let epoch = 0;
  const tap = await transport.tap(
    { bindings: [{ exchange: names.exchange, key: '#' }] },
    {
      onMessage({ properties }) {
        const found = Number(plainHeaders(properties.headers)[HEADER_EPOCH] ?? 0);
        if (found > epoch) epoch = found;
      },
      onGap() {},
    },
  );
  return { epoch: () => epoch, stop: () => tap.close() };
}
