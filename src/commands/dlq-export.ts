import { resolve } from 'node:path';
import { Command } from 'commander';
import { toSavedRecord } from '../core/events/record.js';
import { type AppendFile, flushFolderOf, openAppend } from '../storage/append-file.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { compileDeadLetterFilter, DEAD_LETTER_FILTER_NAMES } from '../terminal/filter.js';
import { argument } from '../terminal/options.js';
import { startProgress } from '../terminal/progress.js';
import { criteriaOf, groupName, requireGroups, selectionOf } from './dead-letter-selection.js';
import type { CommandDeps, Session } from './deps.js';
import { openQueue, readQueue } from './dlq-looking.js';
import { lettersText, seeLetter } from './dlq-reading.js';
import { refuseExisting } from './export-file.js';

interface ExportOptions {
  readonly group?: string;
  readonly filter?: string;
  readonly append: boolean;
  readonly yes: boolean;
}

/** `dlq export`: dead letters into a file, whole. */
export function dlqExportCommand(deps: CommandDeps): Command {
  return new Command('export')
    .description('Copy dead letters into a JSONL file, byte for byte. Leaves the queue as it is.')
    .argument('<queue>', 'dead-letter queue')
    .argument('<file>', 'file to create (mode 0600: it may hold personal data)')
    .option('--group <id>', 'only of this group (see dlq groups)', argument(groupName))
    .option(
      '--filter <expression>',
      `only those for which this CEL expression is true; names: ${DEAD_LETTER_FILTER_NAMES}`,
    )
    .option('--append', 'add to a file that exists, instead of refusing it', false)
    .option('-y, --yes', 'look also at messages of a quorum queue that have few deliveries left', false)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events dlq export assessment_analysis_dlq dead.jsonl
  $ atma-events dlq export analysis_events_notifications_dlq dead.jsonl --group 1a2b3c4d
  $ atma-events publish --from dead.jsonl --dry-run

Each line holds body, properties and headers as they are, as tail --save writes them; publish --from sends them again.
The export is on disk when the command ends. On RabbitMQ, looking flags messages redelivered and counts a delivery in
quorum queues (see dlq show --help).

JSON: {"queue","file","exported"}`,
    )
    .action((queue: string, file: string, options: ExportOptions, command: Command) =>
      deps.run(command, (session) => runExport(queue, file, options, session)),
    );
}

async function runExport(
  queue: string,
  name: string,
  options: ExportOptions,
  session: Session,
): Promise<ExitCode> {
  const { terminal, globals, now } = session;
  const path = resolve(terminal.streams.directory, name);
  // Adding to the export of another day by mistake would send it again with this one. Pipes have no other day.
  if (!options.append) {
    refuseExisting(path, { orStream: true, hint: 'Name another file, or add to this one with --append.' });
  }
  const criteria = criteriaOf(options);
  if (options.filter !== undefined) await compileDeadLetterFilter(options.filter); // wrong ones before a broker is asked
  const opened = await openQueue(queue, session);
  const { system, counts } = opened;
  const selection = await selectionOf(criteria, { catalog: system.catalog, queue, now });
  const progress = startProgress(terminal, queue, globals.quiet, undefined, {
    done: 'exported',
    failed: 'failed',
  });
  // Not before there is something to write: a group that is not there leaves no file.
  let file: AppendFile | undefined;
  let exported = 0;
  let seen = 0;
  try {
    for await (const message of readQueue(opened, { anyway: options.yes }, session)) {
      seen++;
      const letter = seeLetter(system.catalog, message, queue, now());
      if (!selection.matches(letter)) continue;
      file ??= openAppend(path);
      file.append(`${JSON.stringify(toSavedRecord(letter.record, message))}\n`);
      exported++;
      progress.update(exported, 0, { seen, total: counts.ready });
    }
    requireGroups(selection, criteria, queue);
    file ??= openAppend(path);
    file.flush();
    flushFolderOf(path);
  } catch (error) {
    if (exported > 0) terminal.warn(`${name} holds only the first ${lettersText(exported)} of ${queue}`);
    throw error;
  } finally {
    progress.stop();
    file?.close();
  }
  if (selection.unfit() > 0) {
    terminal.note(`${lettersText(selection.unfit())} lack a field that the filter names`);
  }
  if (globals.json) await terminal.json({ queue, file: name, exported });
  else await terminal.out(`Exported ${lettersText(exported)} of ${queue} to ${name}.`);
  return EXIT.done;
}
