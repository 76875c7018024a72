import { Argument, Command } from 'commander';
import { STAGES, type Stage } from '../core/migration/stage.js';
import { wholeNumber } from '../terminal/options.js';
import type { CommandDeps } from './deps.js';
import { moveFlagTo, openFlag } from './flag-move.js';
import { type MoveOptions, withMoveOptions } from './flag-move-options.js';

interface SetOptions extends MoveOptions {
  readonly percent?: number;
}

/** `flag set`: one move, forward through the gate or back at once. */
export function flagSetCommand(deps: CommandDeps): Command {
  const command = new Command('set')
    .description(
      'Move the flag: forward one stage at a time and through the gate, back anywhere and at once.',
    )
    .addArgument(new Argument('<stage>', 'where to').choices([...STAGES]))
    .option(
      '--percent <p>',
      'for this many percent of the jobs, 1 to 100; the others are in the stage before (default 100)',
      wholeNumber(1),
    );
  return withMoveOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events flag set publish --reason "outboxes are in place"
  $ atma-events flag set live --percent 5 --reason "a month SAFE, ticket 4711" --dry-run
  $ atma-events flag set live --percent 5 --reason "a month SAFE, ticket 4711"
  $ atma-events flag set shadow                    back, at once: no gate, no reason needed

The gate, forward to live and beyond: a SAFE verdict, fresh, of the present mapping and flag; dead-letter queues empty or
explained; a consumer on every bound queue; a reason; with flag.secondPerson in the config, two people: the first one's
command records a proposal and exits 4, the second one's moves. docs/migration.md has the rules.

JSON: {"changed","dryRun","forced","proposed","from":{"stage","percent"},"to":{"stage","percent"},"epoch","changedAt",
"changedBy","reason","gate":{"to","open","checks":[{"check","ok","text"}]}|null}.
Exit codes: 0 moved, or there already, 1 failed, 2 wrong usage, 4 the gate refuses, a second person is needed, or somebody
else has moved it meanwhile, 130 answered no, or interrupted.`,
    )
    .action((stage: Stage, options: SetOptions, each: Command) =>
      deps.run(each, async (session) => {
        const to = { stage, percent: options.percent ?? 100 };
        return moveFlagTo(to, options, await openFlag(options, session), session);
      }),
    );
}
