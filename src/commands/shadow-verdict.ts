import { Command } from 'commander';
import { meaningOf } from '../shadow/report/figures.js';
import type { Judgement } from '../shadow/verdict.js';
import type { ExitCode } from '../terminal/exit-codes.js';
import type { Terminal } from '../terminal/io.js';
import { lineForPeople } from '../terminal/safe-text.js';
import type { CommandDeps, Session } from './deps.js';
import { colourOf, exitCodeOfVerdict } from './shadow-output.js';
import { DEFAULT_STORE, describeRun, judgeStore } from './shadow-store.js';

interface VerdictOptions {
  readonly store?: string;
}

/** `shadow verdict`: may the callbacks go? */
export function shadowVerdictCommand(deps: CommandDeps): Command {
  return new Command('verdict')
    .description('May the callbacks go? The verdict on a live run, while it goes on or after it.')
    .option('--store <file>', `the run's store (default ${DEFAULT_STORE})`)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events shadow verdict
  $ atma-events shadow verdict --store /var/lib/shadow/june.db --json

One may look at any moment, and as often as one likes: the test allows for that. How it is reached (budget, rare strata,
waivers) is said by shadowPolicy in the config; docs/shadow.md explains the rules.

Exit code 0: SAFE, 4: UNSAFE, 6: INCONCLUSIVE.

JSON: {"verdict","safeInMs","reasons":[{"stratum","code","text"}],"strata":[{"eventType","consumer","legs","bad",
"neededCleanLegs"}],"run":{"store","state","startedAt","savedAt"},"evidence":{"mapping","flag","flags","savedAt","legs",
"bad"}}; state: running, ended or stopped (cut off). evidence is what the gate of the migration flag judges by: flags are the
hashes (SHA-256) of the flag file while the run was recorded, flag the first of them, null for no file.`,
    )
    .action((options: VerdictOptions, command: Command) =>
      deps.run(command, (session) => runVerdict(options, session)),
    );
}

async function runVerdict(options: VerdictOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals } = session;
  const found = await judgeStore(options, 0, session);
  const { judgement, run } = found;
  if (globals.json) {
    const { verdict, safeInMs, reasons } = judgement;
    const strata = judgement.strata.map(({ eventType, consumer, legs, bad, neededCleanLegs }) => ({
      ...{ eventType, consumer, legs, bad, neededCleanLegs },
    }));
    const { evidenceDocument } = await import('../migration/evidence.js');
    const evidence = evidenceDocument(found.evidence);
    await terminal.json({ verdict, safeInMs, reasons, strata, run, evidence });
  } else {
    await terminal.out(renderVerdict(judgement, terminal));
    terminal.note(`${describeRun(found)} All of it: atma-events shadow report`);
  }
  return exitCodeOfVerdict(judgement);
}

/** The verdict, what it means, and every reason for it. */
function renderVerdict(judgement: Judgement, terminal: Pick<Terminal, 'style'>): string {
  const lines = judgement.reasons.map(({ stratum, text }) =>
    lineForPeople(stratum === null ? `  ${text}` : `  ${stratum}: ${text}`),
  );
  const word = colourOf(judgement, terminal)(judgement.verdict);
  return [`${word}  ${meaningOf(judgement)}`, '', ...lines].join('\n');
}
