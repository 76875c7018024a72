import { Command } from 'commander';
import { createGrouping, type Group, readDeadLetter } from '../dead-letters/groups.js';
import { age } from '../terminal/age.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { wholeNumber } from '../terminal/options.js';
import { startProgress } from '../terminal/progress.js';
import { forPeople } from '../terminal/safe-text.js';
import { renderTable } from '../terminal/table.js';
import type { CommandDeps, Session } from './deps.js';
import { openQueue, readQueue } from './dlq-looking.js';
import { lettersText } from './dlq-reading.js';

interface GroupsOptions {
  readonly limit?: number;
  readonly yes: boolean;
}

/** `dlq groups`: dead letters of one cause taken together. */
export function dlqGroupsCommand(deps: CommandDeps): Command {
  return new Command('groups')
    .description(
      'Dead letters by cause: event type, reason, fingerprint of the failure. Leaves the queue as it is.',
    )
    .argument('<queue>', 'dead-letter queue')
    .option('--limit <n>', 'look at this many messages at most (default: all)', wholeNumber(1))
    .option('-y, --yes', 'look also at messages of a quorum queue that have few deliveries left', false)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events dlq groups analysis_events_notifications_dlq
  $ atma-events dlq show analysis_events_notifications_dlq --group 1a2b3c4d
  $ atma-events replay-dlq analysis_events_notifications_dlq --group 1a2b3c4d --dry-run

The fingerprint stands for the exception's name, its message without ids and numbers, and the top frame of its stack.
Dead letters of other software carry no failure record: theirs stands for the queue that gave them up, and the reason.
A group keeps its name as long as its cause stays the same.

On RabbitMQ, looking flags messages redelivered and counts a delivery in quorum queues (see dlq show --help).

JSON: [{"group","messages","type","reason","fingerprint","exception","message","queues","first","last","example"}],
largest first; "example" is the id of the first one in the queue.`,
    )
    .action((queue: string, options: GroupsOptions, command: Command) =>
      deps.run(command, (session) => runGroups(queue, options, session)),
    );
}

async function runGroups(queue: string, options: GroupsOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals, now } = session;
  const opened = await openQueue(queue, session);
  const { system, counts } = opened;
  const grouping = createGrouping();
  const progress = startProgress(terminal, queue, globals.quiet, undefined, {
    done: 'read',
    failed: 'failed',
  });
  const total = Math.min(options.limit ?? Number.POSITIVE_INFINITY, counts.ready);
  let seen = 0;
  try {
    const look = { limit: options.limit, anyway: options.yes };
    for await (const message of readQueue(opened, look, session)) {
      grouping.add(readDeadLetter(system.catalog, message, queue));
      seen++;
      progress.update(seen, 0, { seen, total });
    }
  } finally {
    progress.stop();
  }
  const groups = grouping.groups();
  if (globals.json) {
    await terminal.json(groups.map(groupDocument));
    return EXIT.done;
  }
  if (groups.length > 0) await terminal.out(renderGroups(groups, now()));
  terminal.note(summaryText(queue, groups.length, seen, counts.ready));
  return EXIT.done;
}

/** One group of `--json`. The field names are a public contract. */
function groupDocument(group: Group): object {
  return {
    group: group.id,
    messages: group.count,
    type: group.type ?? null,
    reason: group.reason,
    fingerprint: group.fingerprint,
    exception: group.exception ?? null,
    message: group.message ?? null,
    queues: group.failedQueues,
    first: group.first ?? null,
    last: group.last ?? null,
    example: group.example,
  };
}

/** Groups as a table. */
export function renderGroups(groups: readonly Group[], now: number): string {
  return renderTable(
    ['GROUP', 'MESSAGES', 'EVENT', 'REASON', 'CAUSE', 'FIRST', 'LAST', 'EXAMPLE'],
    groups.map((group) => [
      group.id,
      String(group.count),
      forPeople(group.type ?? '(no type)'),
      group.reason,
      causeText(group),
      agoText(group.first, now),
      agoText(group.last, now),
      forPeople(group.example),
    ]),
  );
}

const LONGEST_CAUSE = 60;

/** What failed, as far as anything tells: the exception, else the queue that gave the message up. */
function causeText({ exception, message, failedQueues }: Group): string {
  if (exception === undefined) return failedQueues.length === 0 ? '' : `in ${failedQueues.join(', ')}`;
  const text = forPeople(`${exception}: ${message ?? ''}`);
  return text.length <= LONGEST_CAUSE ? text : `${text.slice(0, LONGEST_CAUSE - 1)}…`;
}

function agoText(time: string | undefined, now: number): string {
  return time === undefined ? '' : `${age(now - Date.parse(time))} ago`;
}

function summaryText(queue: string, groups: number, seen: number, ready: number): string {
  if (seen === 0) return `${queue} is empty.`;
  const of = seen < ready ? `the first ${seen} of ${lettersText(ready)}` : lettersText(seen);
  return `${groups} group${groups === 1 ? '' : 's'} in ${of}. One by one: atma-events dlq show ${queue} --group ID`;
}
