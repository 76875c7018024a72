import { Command } from 'commander';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import type { CommandDeps, Session } from './deps.js';
import { deliver, type ReportFiles, requireReportFiles } from './shadow-output.js';
import { DEFAULT_STORE, describeRun, judgeStore } from './shadow-store.js';

interface ReportOptions extends ReportFiles {
  readonly store?: string;
}

/** Legs that did not match and are listed on the page: the latest, enough to look through in a browser. */
const LEGS_LISTED = 5_000;

/** `shadow report`: what a live run has found. */
export function shadowReportCommand(deps: CommandDeps): Command {
  return new Command('report')
    .description('What a live run has found so far: counts, causes, latencies, the verdict and why.')
    .option('--store <file>', `the run's store (default ${DEFAULT_STORE})`)
    .option('--html <file>', 'also write the report as one page that needs no network')
    .option('--junit <file>', 'also write the verdict as JUnit XML, for a build server')
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events shadow report
  $ atma-events shadow report --html report.html --junit verdict.xml
  $ atma-events shadow report --store june.db --json

Values at redacted paths and e-mail addresses are not in it; job ids are. Works while the run goes on. Exit code 0, whatever the
verdict is: shadow verdict tells it by its exit code.

JSON: {"legs":{"match","mismatch","missingEvent","missingCallback","extra","duplicate","late","refused","invalid",
"outOfOrder","pending"},"strata":[{"eventType","consumer","legs","bad","neededCleanLegs",…}],"verdict",…,
"run":{"store","state","startedAt","savedAt"}}`,
    )
    .action((options: ReportOptions, command: Command) =>
      deps.run(command, (session) => runReport(options, session)),
    );
}

async function runReport(options: ReportOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals } = session;
  requireReportFiles(options, [options.store ?? DEFAULT_STORE], session);
  const found = await judgeStore(options, LEGS_LISTED, session);
  const exitCode = await deliver(options, found, EXIT.done, session, { run: found.run });
  if (!globals.json) terminal.note(describeRun(found));
  return exitCode;
}
