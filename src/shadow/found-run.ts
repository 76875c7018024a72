/** A stored run as it is found: what its summary cannot know is that nobody has saved it since. */
import { judgeRun } from './judge-run.js';
import type { ShadowPolicy } from './policy.js';
import { time } from './quantities.js';
import type { StoredRun } from './read-run.js';
import type { RunSummary } from './run-summary.js';
import type { Judgement } from './verdict.js';

/** A run that is well saves every few seconds. Milliseconds. */
const SILENT_MS = 60_000;

export type FoundState = Pick<StoredRun, 'state' | 'savedAt' | 'summary'>;

/** Why nobody may take the run for one that goes on, or was ended; undefined where it is. */
export function silenceOf(
  { state, savedAt }: Pick<FoundState, 'state' | 'savedAt'>,
  now: number,
): string | undefined {
  if (state === 'stopped') {
    return (
      `The run was not ended in order: it was killed, or its machine went down, after ${time(savedAt)}. What came since is ` +
      'not in it. `shadow run` with the same --store goes on with it, and notes the gap.'
    );
  }
  if (state === 'running' && now - savedAt > SILENT_MS) {
    return (
      `The run goes on, but it has saved nothing since ${time(savedAt)}: it hangs, was suspended, or its disk is full. See ` +
      'what `shadow run` says where it runs.'
    );
  }
  return undefined;
}

/** The summary, with all its sources stalled where the run is silent. */
export function summaryAsFound(run: FoundState, now: number): RunSummary {
  const { summary, savedAt } = run;
  const silence = silenceOf(run, now);
  if (silence === undefined) return summary;
  return {
    ...summary,
    sources: summary.sources.map((source) => ({ ...source, stalledSince: source.stalledSince ?? savedAt })),
    doubts: [silence, ...summary.doubts],
  };
}

/**
 * The summary and the verdict of a stored run. It says by itself which strata it has: it may be looked at from another
 * folder, with another config. Throws `config-invalid` for a policy that does not fit them.
 */
export function judgeFound(
  run: FoundState,
  policy: ShadowPolicy,
  now: number,
): { readonly summary: RunSummary; readonly judgement: Judgement } {
  const summary = summaryAsFound(run, now);
  const legs = summary.counts.strata.map(({ eventType, consumer }) => ({
    eventType,
    consumer,
    route: undefined,
  }));
  return { summary, judgement: judgeRun(summary, policy, { legs }) };
}
