/** What `flag set`, `flag on` and `flag off` have in common on the command line. */
import type { Command } from 'commander';
import { wholeNumber } from '../terminal/options.js';
import { FLAG_FILE_OPTION } from './flag-file-option.js';
import type { EvidenceOptions } from './flag-gate.js';

export interface MoveOptions extends EvidenceOptions {
  readonly file?: string;
  readonly reason?: string;
  readonly force: boolean;
  readonly sample?: number;
  readonly by?: string;
  readonly dryRun: boolean;
  readonly yes: boolean;
}

export function withMoveOptions(command: Command): Command {
  return withEvidenceOptions(
    command.option('--reason <text>', 'why, for the audit trail; needed to move forward'),
  )
    .option('--force', 'move though the gate refuses; what it refused is recorded with the reason', false)
    .option(
      '--sample <percent>',
      'jobs whose callbacks rampdown still sends (default 10); fewer than now is a matter for the gate',
      wholeNumber(0),
    )
    .option('--dry-run', 'ask the gate and show what would change, change nothing', false)
    .option('-y, --yes', 'do not ask; needed where there is no terminal', false);
}

/** Those that a rollout takes as well. */
export function withEvidenceOptions(command: Command): Command {
  return command
    .option('--verdict <file>', 'take the verdict from what `shadow verdict --json` printed')
    .option('--store <file>', 'take the verdict from this shadow run (default ./.atma-events/shadow.db)')
    .option('--dlq-explained <text>', 'why the dead letters that are there may stay; recorded')
    .option(...FLAG_FILE_OPTION)
    .option(
      '--by <name>',
      'who moves it (env ATMA_EVENTS_USER, SUDO_USER; default: the user of this machine)',
    );
}
