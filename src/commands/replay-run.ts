/** Runs replays one after another, with progress while they run and a report each. */
import { isEventsError } from '../core/errors.js';
import type { Transport } from '../core/transport.js';
import type { Ledger } from '../dead-letters/ledger.js';
import { startReplay } from '../dead-letters/replay.js';
import type { ReplayReport, ReplayTarget, ResumeOptions } from '../dead-letters/replay-types.js';
import type { Settings } from '../project/settings.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { startProgress } from '../terminal/progress.js';
import { reportError } from '../terminal/report-error.js';
import { forPeople } from '../terminal/safe-text.js';
import { type Criteria, requireGroups, selectionOf } from './dead-letter-selection.js';
import { errorDocument, type Session } from './deps.js';
import { editOf } from './dlq-edit-copy.js';
import { resumeOptions } from './repeat-options.js';
import type { Wanted } from './replay-picking.js';
import { combinedExitCode, printReplay, replayDocument, replayExitCode } from './replay-report.js';
import type { ReplayDlqOptions } from './replay-usage.js';

/** What a run takes besides what it replays. */
export type RunOptions = Pick<
  ReplayDlqOptions,
  'rate' | 'canary' | 'canaryWait' | 'maxDeaths' | 'ledger' | 'limit'
>;

export interface RunContext {
  readonly settings: Settings;
  readonly ledger: Ledger;
}

export interface Run {
  readonly report: ReplayReport;
  readonly document: object;
  readonly exitCode: ExitCode;
}

/** Each queue in turn. With several, one that cannot begin does not keep the others from it. */
export async function runReplays(
  wanted: readonly Wanted[],
  target: ReplayTarget,
  options: RunOptions,
  context: RunContext & { readonly transport: Transport },
  session: Session,
): Promise<ExitCode> {
  const { terminal, globals } = session;
  const { transport, ledger } = context;
  const documents: object[] = [];
  const codes: ExitCode[] = [];
  for (const [at, { queue, criteria }] of wanted.entries()) {
    try {
      const run = await runOne({ queue, criteria, fresh: true }, options, context, session, (common) =>
        startReplay(
          transport,
          ledger,
          {
            ...common,
            ...{ queue, target, criteria: JSON.stringify(criteria) },
            ...(options.limit !== undefined && { limit: options.limit }),
          },
          { now: session.now },
        ),
      );
      documents.push(run.document);
      codes.push(run.exitCode);
    } catch (error) {
      if (wanted.length === 1 || !isEventsError(error) || error.code === 'interrupted') throw error;
      documents.push({ queue, error: errorDocument(error) });
      codes.push(reportError(error, terminal, globals.debug));
    }
    const rest = wanted.slice(at + 1).map((each) => each.queue);
    const over = codes.at(-1) === EXIT.interrupted || codes.at(-1) === EXIT.unreachable;
    if (over && rest.length > 0) terminal.err(forPeople(`Not begun: ${rest.join(', ')}`));
    if (over) break;
  }
  if (globals.json) await terminal.json(wanted.length === 1 ? documents[0] : documents);
  return combinedExitCode(codes);
}

interface Which {
  readonly queue: string;
  readonly criteria: Criteria;
  /** Not resumed: what was not met is not there. */
  readonly fresh: boolean;
}

/** One replay, begun or resumed by `start`; prints its report for people. */
export async function runOne(
  { queue, criteria, fresh }: Which,
  options: RunOptions,
  { settings, ledger }: RunContext,
  session: Session,
  start: (common: ResumeOptions) => Promise<ReplayReport>,
): Promise<Run> {
  const { terminal, globals, signal, now } = session;
  const selection = await selectionOf(criteria, { catalog: settings.system.catalog, queue, now });
  const words = { done: 'replayed', failed: 'died again' };
  const progress = startProgress(terminal, queue, globals.quiet, () => performance.now(), words);
  const startedAt = performance.now();
  let report: ReplayReport;
  try {
    report = await start({
      signal,
      onProgress: ({ replayed, boomeranged, seen, total }) =>
        progress.update(replayed, boomeranged, { seen, total }),
      ...(selection.select !== undefined && { select: selection.select }),
      ...(criteria.edit !== undefined && { edit: editOf(criteria.edit) }),
      ...(options.rate !== undefined && { rate: options.rate }),
      ...(options.canary !== undefined && { canary: canaryOf(options.canary, options) }),
    });
  } finally {
    progress.stop();
  }
  // Where it ended early, or by its limit, they may lie beyond what it looked at.
  const sawAll = fresh && report.stopped === undefined && options.limit === undefined;
  const missingIds = sawAll ? selection.missingIds() : [];
  if (sawAll && report.replayed === 0) requireGroups(selection, criteria, queue);
  if (!globals.json) {
    await printReplay(report, terminal, {
      elapsedMs: performance.now() - startedAt,
      ledger: ledger.path,
      resumeOptions: resumeOptions(session, options),
      missingIds,
      unfit: selection.unfit() > 0,
      debug: globals.debug,
    });
  }
  return {
    report,
    document: replayDocument(report, missingIds),
    exitCode: replayExitCode(report, missingIds),
  };
}

function canaryOf(first: number, { canaryWait, maxDeaths }: RunOptions) {
  return {
    first,
    ...(canaryWait !== undefined && { watchMs: canaryWait }),
    ...(maxDeaths !== undefined && { maxDeathRate: maxDeaths / 100 }),
  };
}
