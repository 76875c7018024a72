import { Command } from 'commander';
import { type SavedRecord, toSavedRecord } from '../core/events/record.js';
import type { Death } from '../dead-letters/death.js';
import { idOf } from '../dead-letters/groups.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { compileDeadLetterFilter, DEAD_LETTER_FILTER_NAMES } from '../terminal/filter.js';
import { argument, wholeNumber } from '../terminal/options.js';
import { criteriaOf, groupName, requireGroups, selectionOf } from './dead-letter-selection.js';
import type { CommandDeps, Session } from './deps.js';
import { renderLetter } from './dlq-letter.js';
import { openQueue, readQueue } from './dlq-looking.js';
import { lettersText, type SeenLetter, seeLetter } from './dlq-reading.js';

interface ShowOptions {
  readonly limit: number;
  readonly filter?: string;
  readonly group?: string;
  readonly yes: boolean;
}

/** `dlq show`: bodies, failure records and death histories of the dead letters in a queue. */
export function dlqShowCommand(deps: CommandDeps): Command {
  return new Command('show')
    .description('Dead letters one by one: body, failure, history. Leaves the queue as it is.')
    .argument('<queue>', 'dead-letter queue')
    .option('--limit <n>', 'show this many at most', wholeNumber(1), 20)
    .option('--group <id>', 'only of this group (see dlq groups)', argument(groupName))
    .option(
      '--filter <expression>',
      `only those for which this CEL expression is true; names: ${DEAD_LETTER_FILTER_NAMES}`,
    )
    .option('-y, --yes', 'look also at messages of a quorum queue that have few deliveries left', false)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events dlq show analysis_events_notifications_dlq
  $ atma-events dlq show assessment_analysis_dlq --filter 'reason == "rejected" && diedAt > "2026-01-31T22"'
  $ atma-events dlq show analysis_events_notifications_dlq --filter 'failure.exception == "TypeError"' --json

In a filter, queue is the one that gave the message up, failure is the failure record of this software's consumers
({} of others), and diedAt is ISO 8601.

On RabbitMQ, consumers do not get the messages while they are being looked at; then they are back in their places,
flagged redelivered. A quorum queue counts a delivery of each, and gives a message up beyond its delivery limit: with
two left, or fewer, it is not looked at without --yes.

E-mail addresses are hidden in what people see; --json holds messages as they are.
JSON, a line per message: as of tail, with "number","id","group" and
"death":{"reason","queue","exchange","routingKey","attempts","firstDiedAt","lastDiedAt","failure","history"}; and
"body" or "bodyBase64" where the body is not JSON.`,
    )
    .action((queue: string, options: ShowOptions, command: Command) =>
      deps.run(command, (session) => runShow(queue, options, session), { streaming: true }),
    );
}

async function runShow(queue: string, options: ShowOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals, now } = session;
  const criteria = criteriaOf(options);
  if (options.filter !== undefined) await compileDeadLetterFilter(options.filter); // wrong ones before a broker is asked
  const opened = await openQueue(queue, session);
  const { system, counts } = opened;
  const selection = await selectionOf(criteria, { catalog: system.catalog, queue, now });
  // Every message looked at is out of its consumers' reach for that time: take no more than will be shown.
  const all = options.filter === undefined && options.group === undefined;
  let number = 0;
  let shown = 0;
  const look = { limit: all ? options.limit : undefined, anyway: options.yes };
  for await (const message of readQueue(opened, look, session)) {
    number++;
    const seen = seeLetter(system.catalog, message, queue, now());
    if (!selection.matches(seen)) continue;
    if (globals.json) await terminal.json(lineOf(seen, number));
    else await terminal.out(`${shown > 0 ? '\n' : ''}${renderLetter(seen, number, terminal, now())}`);
    if (++shown === options.limit) break;
  }
  requireGroups(selection, criteria, queue);
  terminal.note(summaryText(queue, shown, counts.ready, selection.unfit()));
  return EXIT.done;
}

/** One line of `--json`. The field names are a public contract. */
function lineOf({ letter, record, group }: SeenLetter, number: number): object {
  const { message, death } = letter;
  return {
    ...record,
    ...(record.event === null && bodyOf(toSavedRecord(record, message))),
    number,
    id: idOf(message),
    group: group.id,
    death: deathDocument(death),
  };
}

function bodyOf({ body, bodyBase64 }: SavedRecord): object {
  return bodyBase64 === undefined ? { body } : { bodyBase64 };
}

function deathDocument(death: Death): object {
  return {
    reason: death.reason,
    queue: death.failedQueue ?? null,
    exchange: death.exchange,
    routingKey: death.routingKey,
    attempts: death.attempts,
    firstDiedAt: death.firstDiedAt ?? null,
    lastDiedAt: death.lastDiedAt ?? null,
    failure: death.record ?? null,
    history: death.history.map(({ queue, reason, count, time, exchange, routingKeys }) => ({
      queue: queue ?? null,
      reason,
      count,
      time: time ?? null,
      exchange: exchange ?? null,
      routingKeys,
    })),
  };
}

function summaryText(queue: string, shown: number, ready: number, unfit: number): string {
  if (ready === 0) return `${queue} is empty.`;
  return [
    `${shown} of ${lettersText(ready)} shown`,
    ...(unfit > 0 ? [`${unfit} more lack a field that the filter names`] : []),
  ].join(', ');
}
