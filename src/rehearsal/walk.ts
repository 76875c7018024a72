/** The walk through the stages: in each the faults, then what is measured, then the move to the next one. */
import { STAGES, type Stage, stageAfter, usesEvents } from '../core/migration/stage.js';
import type { Leg } from './facts.js';
import { isWatched, type PlannedFault } from './faults.js';
import { type FaultReport, PLANTS } from './inject.js';
import { plantDrift, plantWatched } from './inject-watched.js';
import { type MoveReport, move, refusedMove } from './moving.js';
import { deadLettersOf } from './names.js';
import { type Scene, settled } from './scene.js';
import type { VerdictDocument } from './tool-documents.js';

export interface VerdictReport {
  readonly verdict: VerdictDocument['verdict'];
  readonly legs: number;
  readonly bad: number;
}

export interface StageReport {
  readonly leg: Leg;
  readonly tookMs: number;
  /** Of the run that the gate to the next stage was shown; null where none is needed. */
  readonly verdict: VerdictReport | null;
}

/** What was done, written down as it goes: where the walk fails, what came before is known. */
export interface WalkLog {
  readonly stages: StageReport[];
  readonly moves: MoveReport[];
  readonly faults: FaultReport[];
  /** When the first move began, and when something was sent in `complete`. */
  begunAt: number | undefined;
  completeAt: number | undefined;
}

export async function walk(scene: Scene, log: WalkLog): Promise<void> {
  let store: string | undefined;
  for (const stage of STAGES) {
    const begun = scene.now();
    const before = STAGES[STAGES.indexOf(stage) - 1];
    if (before !== undefined) {
      log.begunAt ??= begun;
      log.moves.push(await moveOn(scene, before, stage, store, log));
    }
    if (stage === 'complete') log.completeAt = scene.now();
    await plantAll(scene, stage, log);
    const measured = await measure(scene, stage);
    store = measured?.store;
    log.stages.push({ leg: stage, tookMs: scene.now() - begun, verdict: measured?.report ?? null });
  }
}

/** Where dead letters wait, the gate has to ask about them; it is tried once, where they were planted. */
async function moveOn(
  scene: Scene,
  from: Stage,
  to: Stage,
  store: string | undefined,
  log: WalkLog,
): Promise<MoveReport> {
  const waiting = usesEvents(to) ? await eventDeadLetters(scene) : 0;
  if (waiting === 0 || store === undefined) return move(scene, from, to, { store });
  const at = log.faults.findIndex(({ fault, stage }) => fault === 'poison-event' && stage === from);
  const fault = log.faults[at];
  if (fault !== undefined) {
    const refused = await refusedMove(scene, from, store, 'dead-letters');
    const reported = refused && fault.reported !== null;
    log.faults[at] = { ...fault, reported: reported ? `${fault.reported}; flag set: exit 4` : null };
    if (!refused) scene.problem(`the gate to ${to} did not mind ${waiting} dead letters`);
  }
  return move(scene, from, to, { store, explained: 'planted by the rehearsal, dealt with at its end' });
}

async function eventDeadLetters({ names, transport }: Scene): Promise<number> {
  const queues = [names.notifications, names.assessments].map(deadLettersOf);
  const counts = await Promise.all(queues.map((queue) => transport.counts(queue)));
  return counts.reduce((sum, count) => sum + (count?.ready ?? 0), 0);
}

/** A fault that nobody reported is a problem, whatever it did. */
export function noteFault(
  { tell, problem }: Pick<Scene, 'tell' | 'problem'>,
  log: Pick<WalkLog, 'faults'>,
  report: FaultReport,
): void {
  log.faults.push(report);
  const { fault, stage, did, reported, leftOut } = report;
  tell('fault', `${fault}: ${did}. ${leftOut ?? reported ?? 'Nobody reported it.'}`);
  if (reported === null && leftOut === undefined) problem(`nobody reported ${fault} in ${stage}`);
}

async function plantAll(scene: Scene, stage: Stage, log: WalkLog): Promise<void> {
  const faults = scene.plan.faults.filter((fault) => fault.stage === stage);
  for (const fault of faults.filter((each) => each.fault !== 'drift' && !isWatched(each))) {
    const plant = PLANTS[fault.fault];
    if (plant !== undefined) noteFault(scene, log, { ...fault, ...(await plant(scene, stage)) });
  }
  for (const report of await plantWatched(scene, stage, faults.filter(isWatched)))
    noteFault(scene, log, report);
  for (const fault of faults.filter((each: PlannedFault) => each.fault === 'drift')) {
    noteFault(scene, log, { ...fault, ...(await plantDrift(scene, stage)) });
  }
}

/** With this many further jobs at a time, where chance left a stage with too few legs. */
const MORE_SHARE = 0.5;
const MOST_ROUNDS = 3;

/** Jobs without faults; where the gate to the next stage asks for a verdict, with a shadow run. */
async function measure(
  scene: Scene,
  stage: Stage,
): Promise<{ readonly store: string; readonly report: VerdictReport } | undefined> {
  const { driving, plan } = scene;
  const next = stageAfter(stage);
  if (next === undefined || !usesEvents(next)) {
    if (!(await settled(scene, await driving.drive(plan.jobs, stage)))) tellUnsettled(scene, stage);
    return undefined;
  }
  return scene.withShadow(`measure-${stage}`, async (watch) => {
    let verdict: VerdictDocument | undefined;
    for (let round = 0; round <= MOST_ROUNDS && verdict?.verdict !== 'SAFE'; round++) {
      const jobs = round === 0 ? plan.jobs : Math.ceil(plan.jobs * MORE_SHARE);
      if (!(await settled(scene, await driving.drive(jobs, stage)))) tellUnsettled(scene, stage);
      await watch.closed();
      verdict = await watch.verdict();
      if (verdict.verdict === 'UNSAFE') break;
    }
    const strata = verdict?.strata ?? [];
    const report: VerdictReport = {
      verdict: verdict?.verdict ?? 'INCONCLUSIVE',
      legs: strata.reduce((sum, { legs }) => sum + legs, 0),
      bad: strata.reduce((sum, { bad }) => sum + bad, 0),
    };
    scene.where.verdict = report.verdict;
    scene.tell('verdict', `${stage}: ${report.verdict}, ${report.legs} legs, ${report.bad} bad`);
    if (report.verdict !== 'SAFE') {
      const why = verdict?.reasons.map(({ stratum, text }) =>
        stratum === null ? text : `${stratum}: ${text}`,
      );
      scene.problem(`the verdict on ${stage} is ${report.verdict}: ${why?.[0] ?? 'nothing was recorded'}`);
    }
    return { store: watch.store, report };
  });
}

function tellUnsettled(scene: Scene, stage: Stage): void {
  scene.tell('problem', `${stage}: ${scene.book.open() - scene.laidAside.size} facts still lack effects`);
}
