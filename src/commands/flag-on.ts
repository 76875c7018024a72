import { Command } from 'commander';
import { rankOf } from '../core/migration/stage.js';
import type { CommandDeps } from './deps.js';
import { moveFlagTo, openFlag } from './flag-move.js';
import { type MoveOptions, withMoveOptions } from './flag-move-options.js';

/** `flag on`: events become authoritative. */
export function flagOnCommand(deps: CommandDeps): Command {
  const command = new Command('on').description('Short for `flag set live`, gate included.');
  return withMoveOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events flag on --reason "shadow was SAFE for a month"
  $ atma-events flag on --reason "shadow was SAFE for a month" --dry-run     what the gate says, and what would change

From rampdown or complete it goes back to live. JSON and exit codes: as of flag set.`,
    )
    .action((options: MoveOptions, each: Command) =>
      deps.run(each, async (session) =>
        moveFlagTo({ stage: 'live', percent: 100 }, options, await openFlag(options, session), session),
      ),
    );
}

/** `flag off`: callbacks are authoritative again. */
export function flagOffCommand(deps: CommandDeps): Command {
  const command = new Command('off').description(
    'Short for `flag set shadow`: the callbacks are authoritative again, at once and without a gate.',
  );
  return withMoveOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events flag off
  $ atma-events flag off --yes --reason "refunds missing, ticket 4711"

It never moves forward: in off and publish it changes nothing. JSON and exit codes: as of flag set.`,
    )
    .action((options: MoveOptions, each: Command) =>
      deps.run(each, async (session) => {
        const opened = await openFlag(options, session);
        const to = { stage: 'shadow', percent: 100 } as const;
        const { state } = opened;
        // A share of the jobs in shadow counts as before it, too: the others are in publish.
        const already =
          rankOf(state.stage) < rankOf('shadow') || (state.stage === 'shadow' && state.percent < 100);
        return moveFlagTo(
          already ? { stage: state.stage, percent: state.percent } : to,
          options,
          opened,
          session,
        );
      }),
    );
}
