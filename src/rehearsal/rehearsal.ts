/** A rehearsal from its beginning to its report. Whatever happens, what it started is ended and what it made is removed. */
import { isEventsError, messageOf } from '../core/errors.js';
import { lineForPeople } from '../core/safe-text.js';
import { judgeEffects } from './judge.js';
import { type RehearsalReport, reportOf } from './report.js';
import { type RehearsalDeps, type RehearsalOptions, type Release, setUp } from './setting-up.js';
import { type WalkLog, walk } from './walk.js';
import { type WindUpReport, windUp } from './winding-up.js';

/** Rejects where it could not begin, and with the signal's reason when that fires; then everything is removed, too. */
export async function rehearse(options: RehearsalOptions, deps: RehearsalDeps): Promise<RehearsalReport> {
  const releases: Release[] = [];
  try {
    return await run(options, deps, (release) => releases.push(release));
  } finally {
    for (const release of releases.reverse()) {
      try {
        await release();
      } catch (error) {
        // The others have to be released all the same.
        deps.tell({ kind: 'problem', text: `could not tidy up: ${lineForPeople(messageOf(error))}` });
      }
    }
  }
}

/** What goes wrong once it has begun is a problem of the report, not the end of it: the rest is judged, and wound up. */
async function run(
  options: RehearsalOptions,
  deps: RehearsalDeps,
  onEnd: (release: Release) => void,
): Promise<RehearsalReport> {
  const { signal, now } = deps;
  const startedAt = now();
  const { scene, problems } = await setUp(options, deps, onEnd);
  const log: WalkLog = { stages: [], moves: [], faults: [], begunAt: undefined, completeAt: undefined };
  const orProblem = async <T>(work: () => Promise<T>, what: string): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (isEventsError(error, 'unreachable') && scene.transport.features.remote) throw error;
      scene.problem(`${what}: ${messageOf(error)}`);
      return undefined;
    }
  };
  await orProblem(() => walk(scene, log), 'the walk did not come to its end');
  scene.callbacks.stop();
  const end: WindUpReport | undefined = await orProblem(() => windUp(scene, log), 'it was not wound up');
  const judgement = judgeEffects(scene.book.jobs.values(), scene.book.strays);
  return reportOf({
    ...{ plan: options.plan, log, end, judgement, startedAt, endedAt: now() },
    broker: scene.transport.scheme,
    address: scene.transport.address,
    problems: [...judgement.problems, ...problems],
  });
}
