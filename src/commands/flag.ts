import { Command } from 'commander';
import type { CommandDeps } from './deps.js';
import { flagEnvCommand } from './flag-env.js';
import { flagHistoryCommand } from './flag-history.js';
import { flagOffCommand, flagOnCommand } from './flag-on.js';
import { flagRolloutCommand } from './flag-rollout.js';
import { flagSetCommand } from './flag-set.js';
import { flagStatusCommand } from './flag-status.js';
import { flagWatchCommand } from './flag-watch.js';

/** `flag`: where the migration stands, and moving it. */
export function flagCommand(deps: CommandDeps): Command {
  return new Command('flag')
    .description('The migration flag: where it stands, moving it on through a gate, and back at once.')
    .addCommand(flagStatusCommand(deps), { isDefault: true })
    .addCommand(flagSetCommand(deps))
    .addCommand(flagOnCommand(deps))
    .addCommand(flagOffCommand(deps))
    .addCommand(flagRolloutCommand(deps))
    .addCommand(flagHistoryCommand(deps))
    .addCommand(flagEnvCommand(deps))
    .addCommand(flagWatchCommand(deps))
    .addHelpText(
      'after',
      `
Stages: off, publish, shadow, live, rampdown, complete.

Examples:
  $ atma-events flag                                          where it stands, and what the gate says
  $ atma-events flag set live --percent 5 --reason "a month SAFE"
  $ atma-events flag rollout --to live --steps 1,5,25,50,100 --every 30m --reason "a month SAFE"
  $ atma-events flag off                                      back to the callbacks, at once
  $ atma-events flag history --verify

Step by step, and at 2 a.m.: docs/guides/cut-over-and-back.md. What the words mean: docs/migration.md.`,
    );
}
