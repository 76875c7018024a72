import { Command } from 'commander';
import type { CommandDeps } from './deps.js';
import { shadowCompareCommand } from './shadow-compare.js';
import { shadowPurgeCommand } from './shadow-purge.js';
import { shadowReportCommand } from './shadow-report.js';
import { shadowRunCommand } from './shadow-run.js';
import { shadowSuggestCommand } from './shadow-suggest.js';
import { shadowVerdictCommand } from './shadow-verdict.js';

/** `shadow`: callbacks and events side by side, compared and judged. What a verb works with is imported when it runs. */
export function shadowCommand(deps: CommandDeps): Command {
  return new Command('shadow')
    .description(
      'Compare the callbacks with the events that are to replace them, and say whether they may go.',
    )
    .addCommand(shadowRunCommand(deps))
    .addCommand(shadowVerdictCommand(deps))
    .addCommand(shadowReportCommand(deps))
    .addCommand(shadowCompareCommand(deps))
    .addCommand(shadowSuggestCommand(deps))
    .addCommand(shadowPurgeCommand(deps))
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events shadow run --listen 4010 --upstream notification=http://localhost:3005 --upstream assessment=http://localhost:3003
  $ atma-events shadow verdict                 of a live run: exit 0 SAFE, 4 UNSAFE, 6 INCONCLUSIVE
  $ atma-events shadow report --html report.html
  $ atma-events shadow compare --callbacks callbacks.jsonl --events events.jsonl --budget 5s
  $ atma-events shadow suggest --callbacks callbacks.jsonl --events events.jsonl
  $ atma-events shadow purge

Step by step: docs/guides/run-in-parallel.md. What the words mean: docs/shadow.md.`,
    );
}
