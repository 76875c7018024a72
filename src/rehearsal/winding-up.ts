/** The end of a rehearsal: back to `off`, dead letters brought back or taken out, the trail verified, the services ended in order. */
import { type MoveReport, move } from './moving.js';
import { deadLettersOf, workingQueues } from './names.js';
import { type Scene, settled } from './scene.js';
import { exitText, PROCESSES } from './services.js';
import { expectExit } from './tool.js';
import { documentOf, historyDocument, purgeDocument, replayDocument } from './tool-documents.js';
import type { WalkLog } from './walk.js';

export interface DeadLetterReport {
  readonly replayed: number;
  /** Exported and taken out: they were none of an event. */
  readonly purged: number;
  readonly left: number;
}

export interface AuditReport {
  readonly entries: number;
  readonly problems: readonly string[];
  readonly forced: number;
}

export interface WindUpReport {
  readonly back: MoveReport | null;
  readonly deadLetters: DeadLetterReport;
  readonly audit: AuditReport;
}

/** By callback again, once the flag is back. */
const AFTER_JOBS = 40;
const END_LIMIT_MS = 20_000;
const EMPTY_LIMIT_MS = 15_000;

export async function windUp(scene: Scene, log: WalkLog): Promise<WindUpReport> {
  const at = log.moves.at(-1)?.to ?? 'off';
  const back = at === 'off' ? null : await move(scene, at, 'off');
  if (back !== null) await settled(scene, await scene.driving.drive(AFTER_JOBS, 'back'));
  const deadLetters = await bringBack(scene);
  // What lacks an effect now lacks it for good: the judgement tells.
  await settled(scene, [...scene.book.jobs.values()]);
  const audit = await verifyTrail(scene);
  await requireEmpty(scene);
  await endServices(scene);
  return { back, deadLetters, audit };
}

async function bringBack(scene: Scene): Promise<DeadLetterReport> {
  const { names, tool, transport, laidAside } = scene;
  const ready = async (queue: string) => (await transport.counts(queue))?.ready ?? 0;
  let replayed = 0;
  let purged = 0;
  let left = 0;
  for (const queue of workingQueues(names).map(deadLettersOf)) {
    if ((await ready(queue)) === 0) continue;
    // Events that fit no schema would die again.
    const choice = queue === deadLettersOf(names.jobs) ? [] : ['--filter', 'valid'];
    const result = expectExit(await tool.run('replay-dlq', queue, ...choice, '--yes'), 0, 3);
    replayed += documentOf(replayDocument, result).replayed;
    if (choice.length > 0 && (await ready(queue)) > 0) {
      const purge = await tool.run('dlq', 'purge', queue, '--all', '--export', `${queue}.jsonl`, '--yes');
      purged += documentOf(purgeDocument, expectExit(purge, 0)).deleted;
    }
    left += await ready(queue);
  }
  laidAside.clear();
  if (replayed + purged > 0)
    scene.tell('step', `dead letters: ${replayed} replayed, ${purged} exported and purged`);
  return { replayed, purged, left };
}

async function verifyTrail(scene: Scene): Promise<AuditReport> {
  const result = expectExit(await scene.tool.run('flag', 'history', '--verify', '--limit', '1000'), 0, 4);
  const { entries, verified } = documentOf(historyDocument, result);
  const forced = entries.filter((entry) => entry.forced).length;
  const problems = verified?.problems ?? ['the trail was not verified'];
  for (const problem of problems) scene.problem(`audit trail: ${problem}`);
  if (forced > 0) scene.problem(`${forced} moves of the flag were forced past the gate`);
  return { entries: verified?.entries ?? 0, problems, forced };
}

async function requireEmpty(scene: Scene): Promise<void> {
  const { names, transport, waitUntil } = scene;
  for (const queue of [...workingQueues(names), ...workingQueues(names).map(deadLettersOf)]) {
    let ready = 0;
    const isEmpty = await waitUntil(async () => {
      ready = (await transport.counts(queue))?.ready ?? 0;
      return ready === 0;
    }, EMPTY_LIMIT_MS);
    if (!isEmpty) scene.problem(`${ready} messages are left in ${queue}`);
  }
}

async function endServices(scene: Scene): Promise<void> {
  const { effects, health, services } = scene;
  try {
    await effects.readAll();
  } catch {
    scene.problem('not every service could be asked for its effects in the end');
  }
  await effects.stop();
  await health.stop();
  // The worker first: what it has taken still finds the services.
  for (const name of PROCESSES) {
    const exit = await services[name].end(END_LIMIT_MS);
    if (exit === undefined) scene.problem(`${name} did not end within ${END_LIMIT_MS} ms of SIGTERM`);
    else if (exit.code !== 0) scene.problem(`${name} ended with ${exitText(exit)} at SIGTERM`);
    for (const text of services[name].unasked) scene.problem(text);
  }
}
