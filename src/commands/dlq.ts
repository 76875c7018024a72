import { Command } from 'commander';
import type { CommandDeps } from './deps.js';
import { dlqEditCommand } from './dlq-edit.js';
import { dlqExportCommand } from './dlq-export.js';
import { dlqGroupsCommand } from './dlq-groups.js';
import { dlqListCommand } from './dlq-list.js';
import { dlqPurgeCommand } from './dlq-purge.js';
import { dlqSettleCommand } from './dlq-settle.js';
import { dlqShowCommand } from './dlq-show.js';

/** `dlq`: what lies in dead-letter queues. */
export function dlqCommand(deps: CommandDeps): Command {
  return new Command('dlq')
    .description('Look into dead-letter queues, of this software or of any other, and put them in order.')
    .addCommand(dlqListCommand(deps), { isDefault: true })
    .addCommand(dlqShowCommand(deps))
    .addCommand(dlqGroupsCommand(deps))
    .addCommand(dlqExportCommand(deps))
    .addCommand(dlqPurgeCommand(deps))
    .addCommand(dlqEditCommand(deps))
    .addCommand(dlqSettleCommand(deps))
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events dlq                                            how many are where, and why
  $ atma-events dlq groups analysis_events_notifications_dlq   which causes there are
  $ atma-events dlq show analysis_events_notifications_dlq     bodies, failures, histories
  $ atma-events replay-dlq --dry-run                           what would go where`,
    );
}
