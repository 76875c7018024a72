import { Command } from 'commander';
import { EventsError, isEventsError } from '../core/errors.js';
import { parseDuration } from '../project/duration.js';
import type { CompareProgress, Comparison } from '../shadow/compare.js';
import type { ExitCode } from '../terminal/exit-codes.js';
import { argument } from '../terminal/options.js';
import { startProgress } from '../terminal/progress.js';
import type { CommandDeps, Session } from './deps.js';
import { requireRecords, warningsOf } from './shadow-compare-warnings.js';
import { type Recording, recordingOf, requireOneStdin } from './shadow-input.js';
import {
  deliver,
  exitCodeOfVerdict,
  type ReportFiles,
  requireMapping,
  requireReportFiles,
} from './shadow-output.js';

interface CompareOptions extends ReportFiles {
  readonly callbacks: string;
  readonly events: string;
  /** Milliseconds. */
  readonly budget?: number;
  readonly window?: number;
}

/** `shadow compare`: the judgement of a live run, of two recordings. */
export function shadowCompareCommand(deps: CommandDeps): Command {
  return new Command('compare')
    .description('Compare a recording of callbacks with one of events, of any size. Needs no broker.')
    .requiredOption(
      '--callbacks <file>',
      'callbacks: JSON lines as shadow run records them, or a HAR; - is stdin',
    )
    .requiredOption('--events <file>', 'events: the lines of tail --save or tail --json; - is stdin')
    .option(
      '--budget <duration>',
      "how much later than its callback an event may come (default: the config's, else 1m)",
      argument(parseDuration),
    )
    .option(
      '--window <duration>',
      'how long a leg waits for its other path (default: 60s, or three times the p99.9 of what is seen)',
      argument(parseDuration),
    )
    .option('--html <file>', 'also write the report as one page')
    .option('--junit <file>', 'also write the verdict as JUnit XML, for a build server')
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events tail --save events.jsonl
  $ atma-events shadow compare --callbacks callbacks.jsonl --events events.jsonl
  $ atma-events shadow compare --callbacks day.har --events events.jsonl --budget 5s --html report.html
  $ zcat callbacks.jsonl.gz | atma-events shadow compare --callbacks - --events events.jsonl --json

Lines of callbacks: {"at","method","path","headers"?,"body","status","durationMs"?,"upstream"?}. Both files in about the order
of time. Which consumers an event reaches follows from the bindings of the topology, which callback it replaces from the
mapping of the preset or config.

Exit code 0: SAFE, 4: UNSAFE, 6: INCONCLUSIVE. A line that cannot be read is told, and forbids SAFE.

JSON: {"legs":{"match","mismatch","missingEvent","missingCallback","extra","duplicate","late","refused","invalid",
"outOfOrder","pending"},"strata":[{"eventType","consumer","legs","bad","neededCleanLegs",…}],"verdict",…}`,
    )
    .action((options: CompareOptions, command: Command) =>
      deps.run(command, (session) => runCompare(options, session)),
    );
}

async function runCompare(options: CompareOptions, session: Session): Promise<ExitCode> {
  requireOneStdin([options.callbacks, options.events]);
  const files = [options.callbacks, options.events].filter((name) => name !== '-');
  requireReportFiles(options, files, session);
  const recordings = {
    callbacks: recordingOf(options.callbacks, session),
    events: recordingOf(options.events, session),
  };
  const settings = await session.settings();
  const mapping = requireMapping(settings);
  const { compileMapping } = await import('../shadow/mapping.js');
  const { checkPolicy, withBudget } = await import('../shadow/policy.js');
  const { judgeRun } = await import('../shadow/judge-run.js');
  const compiled = compileMapping(mapping, settings.system.topology);
  const policy = withBudget(settings.shadowPolicy, options.budget);
  checkPolicy(policy, compiled); // before hours of comparing

  const comparison = await compareWithProgress(recordings, session, {
    mapping,
    topology: settings.system.topology,
    ...(policy.budgetMs !== undefined && { budgetMs: policy.budgetMs }),
    ...(options.window !== undefined && { windowMs: fixed(options.window) }),
  });
  requireRecords(comparison, recordings);
  for (const warning of warningsOf(comparison, recordings)) session.terminal.warn(warning);
  const { summary, legRows, legCount } = comparison;
  const judgement = judgeRun(summary, policy, compiled);
  const run = { summary, judgement, legs: legRows, legCount, title: titleOf(recordings) };
  return deliver(options, run, exitCodeOfVerdict(judgement), session);
}

const fixed = (ms: number) => () => ms;

type Recordings = { readonly [side in 'callbacks' | 'events']: Recording };

const titleOf = ({ callbacks, events }: Recordings) => `${callbacks.name} and ${events.name}`;

async function compareWithProgress(
  { callbacks, events }: Recordings,
  { terminal, globals, signal }: Session,
  options: Pick<
    Parameters<typeof import('../shadow/compare.js').compareRecords>[0],
    'mapping' | 'topology' | 'budgetMs' | 'windowMs'
  >,
): Promise<Comparison> {
  const { compareRecords } = await import('../shadow/compare.js');
  const words = { done: 'observations', failed: 'unreadable' };
  const progress = startProgress(terminal, 'comparing', globals.quiet, undefined, words);
  const total =
    callbacks.bytes === undefined || events.bytes === undefined ? undefined : callbacks.bytes + events.bytes;
  const onProgress = ({ bytes, observations }: CompareProgress) =>
    progress.update(observations, 0, total === undefined ? undefined : reachOf(bytes, total));
  const names = { callbacks: callbacks.name, events: events.name };
  try {
    return await compareRecords({
      ...options,
      callbacks: callbacks.read(),
      events: events.read(),
      names,
      signal,
      onProgress,
    });
  } catch (error) {
    // A HAR is one text: what is wrong with it ends the comparison, and does not say which file it is.
    const isNamed = (message: string) => Object.values(names).some((name) => message.includes(name));
    if (!isEventsError(error, 'input-invalid') || isNamed(error.message)) throw error;
    throw new EventsError('input-invalid', `${error.message} (${callbacks.name})`, {
      issues: error.issues,
      cause: error.cause,
      ...(error.hint !== undefined && { hint: error.hint }),
    });
  } finally {
    progress.stop();
  }
}

const MEGABYTE = 1_000_000;

function reachOf(bytes: number, total: number) {
  const seen = Math.min(bytes, total);
  return { seen: Math.round(seen / MEGABYTE), total: Math.round(total / MEGABYTE), unit: ' MB' };
}
