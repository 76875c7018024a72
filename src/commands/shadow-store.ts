/** The store of a live run, as `shadow verdict` and `shadow report` find it. */
import { resolve } from 'node:path';
import { isoTime } from '../core/events/iso-time.js';
import type { Evidence } from '../migration/evidence.js';
import { time } from '../shadow/quantities.js';
import type { StoredRun } from '../shadow/read-run.js';
import type { Session } from './deps.js';
import type { JudgedRun } from './shadow-output.js';

/** Beside the file of the embedded broker. */
export const DEFAULT_STORE = './.atma-events/shadow.db';

export interface FoundRun extends JudgedRun {
  readonly run: RunDocument;
  readonly evidence: Evidence;
}

/** What JSON says of the run. Field names are a public contract; times are ISO 8601. */
export interface RunDocument {
  readonly store: string;
  readonly state: StoredRun['state'];
  readonly startedAt: string;
  readonly savedAt: string;
}

/**
 * The run, judged by the policy of the project. Throws `usage` when there is none, `storage` for a file of another kind
 * or of a newer version.
 */
export async function judgeStore(
  options: { readonly store?: string },
  mostLegs: number,
  session: Session,
): Promise<FoundRun> {
  const { terminal, now } = session;
  const { readRun } = await import('../shadow/read-run.js');
  const { judgeFound } = await import('../shadow/found-run.js');
  const { evidenceOfRun } = await import('../migration/evidence.js');
  const store = resolve(terminal.streams.directory, options.store ?? DEFAULT_STORE);
  const stored = readRun(store);
  try {
    const settings = await session.settings();
    await warnOfMapping(stored, settings, session);
    const at = now();
    const { summary, judgement } = judgeFound(stored, settings.shadowPolicy, at);
    const { state, startedAt, savedAt, legCount } = stored;
    return {
      summary,
      judgement,
      legs: stored.legs(mostLegs),
      legCount,
      title: options.store ?? DEFAULT_STORE,
      run: { store, state, startedAt: isoTime(startedAt), savedAt: isoTime(savedAt) },
      evidence: evidenceOfRun(stored, { summary, judgement }, store),
    };
  } finally {
    stored.close();
  }
}

async function warnOfMapping(
  { mapping }: StoredRun,
  { system, origin }: Awaited<ReturnType<Session['settings']>>,
  { terminal }: Session,
): Promise<void> {
  if (system.shadow === undefined) return;
  const { compileMapping } = await import('../shadow/mapping.js');
  if (compileMapping(system.shadow, system.topology).digest === mapping) return;
  terminal.warn(
    `the run compares by another mapping than that of ${origin}: it was begun with another --config or --preset, or the mapping was changed since. Start a new run to compare by the new one.`,
  );
}

/** One line about the run, for people. */
export function describeRun({ run }: FoundRun): string {
  const state = { running: 'goes on', ended: 'has ended', stopped: 'was cut off' }[run.state];
  const saved = time(Date.parse(run.savedAt));
  return `The run ${state}; begun ${time(Date.parse(run.startedAt))}, last saved ${saved}, in ${run.store}.`;
}
