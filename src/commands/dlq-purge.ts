import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Command } from 'commander';
import { EventsError, isEventsError } from '../core/errors.js';
import type { Catalog } from '../core/events/catalog.js';
import { toSavedRecord } from '../core/events/record.js';
import type { Transport } from '../core/transport.js';
import { drain } from '../dead-letters/drain.js';
import type { DrainBatch } from '../dead-letters/drain-types.js';
import { findQueues } from '../dead-letters/find.js';
import { lockQueue } from '../dead-letters/lock.js';
import { type AppendFile, flushFolderOf, openAppend } from '../storage/append-file.js';
import { EXIT, type ExitCode, exitCodeOf } from '../terminal/exit-codes.js';
import { compileDeadLetterFilter, DEAD_LETTER_FILTER_NAMES } from '../terminal/filter.js';
import { argument } from '../terminal/options.js';
import { startProgress } from '../terminal/progress.js';
import { input } from '../terminal/prompt.js';
import { forPeople } from '../terminal/safe-text.js';
import {
  type Criteria,
  criteriaOf,
  groupName,
  requireGroups,
  type Selection,
  selectionOf,
} from './dead-letter-selection.js';
import { type CommandDeps, type Session, untilAborted } from './deps.js';
import { type LookOptions, type OpenQueue, openQueue, readQueue, warnOfHandingBack } from './dlq-looking.js';
import { lettersText, seeLetter } from './dlq-reading.js';
import { refuseExisting } from './export-file.js';
import { refuseRunning } from './replay-ledger.js';

interface PurgeOptions {
  readonly group?: string;
  readonly filter?: string;
  readonly all: boolean;
  readonly export?: string;
  readonly dryRun: boolean;
  readonly anyQueue: boolean;
  readonly yes: boolean;
}

/** `dlq purge`: dead letters into a file, and out of their queue. */
export function dlqPurgeCommand(deps: CommandDeps): Command {
  return new Command('purge')
    .description('Delete dead letters, each only after it has been saved to a file and that is on disk.')
    .argument('<queue>', 'dead-letter queue')
    .option('--group <id>', 'those of this group (see dlq groups)', argument(groupName))
    .option(
      '--filter <expression>',
      `those for which this CEL expression is true; names: ${DEAD_LETTER_FILTER_NAMES}`,
    )
    .option('--all', 'everything that is in the queue when the command begins', false)
    .option('--export <file>', 'file to create (default QUEUE-TIME.jsonl in this folder; mode 0600)')
    .option('--dry-run', 'count what would be deleted, delete nothing', false)
    .option(
      '--any-queue',
      'also a queue that is no dead-letter queue: what waits in it for a consumer',
      false,
    )
    .option('-y, --yes', "do not ask for the queue's name; needed where there is no terminal", false)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events dlq purge assessment_analysis_dlq --group 3f8a2c1e --dry-run
  $ atma-events dlq purge assessment_analysis_dlq --group 3f8a2c1e
  $ atma-events dlq purge assessment_analysis_dlq --all --export before-release.jsonl --yes
  $ atma-events publish --from before-release.jsonl        puts them back where they were

What is guaranteed: exactly what is in the file was deleted, body, properties and headers as they were. A batch is
written and flushed to disk before it is taken off the queue; Ctrl-C leaves each message in the queue or in the file;
after a crash or a lost connection some may be in both. It is refused while a replay of the queue runs.

JSON: {"queue","file","exported","deleted","left","stopped"?}; with --dry-run {"queue","dryRun":true,"would","file"}.
"stopped" is interrupted or the code of an error; "left" is null when the broker is gone.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 some were deleted before it failed, 5 broker unreachable, 130 interrupted.`,
    )
    .action((queue: string, options: PurgeOptions, command: Command) =>
      deps.run(command, (session) => runPurge(queue, options, session)),
    );
}

async function runPurge(queue: string, options: PurgeOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals, signal, now } = session;
  checkUsage(options, session);
  const name = options.export ?? `${fileNameOf(queue)}-${timeIn(now())}.jsonl`;
  const path = resolve(terminal.streams.directory, name);
  refuseExisting(path, { hint: 'Name another file with --export.' });
  const criteria = criteriaOf(options);
  if (options.filter !== undefined) await compileDeadLetterFilter(options.filter); // wrong ones before a broker is asked
  const opened = await openQueue(queue, session);
  const { system, transport, counts } = opened;
  await untilAborted(refuseRunning(queue, transport), signal);
  if (!options.anyQueue) await untilAborted(refuseWorkQueue(queue, opened), signal);
  const selection = await selectionOf(criteria, { catalog: system.catalog, queue, now });
  // Everything needs no counting: the queue knows its depth.
  const look = options.dryRun ? { anyway: options.yes } : { isBeforeTaking: true };
  const would = options.all ? counts.ready : await countSelected(opened, selection, criteria, look, session);
  if (!options.all && !options.dryRun && would > 0) warnOfHandingBack(opened, session);
  if (would === 0) terminal.note(forPeople(`${queue}: nothing to delete.`));
  if (options.dryRun || would === 0) {
    const text = `Dry run: ${lettersText(would)} of ${queue} would be saved to ${name} and deleted.`;
    if (globals.json && options.dryRun) await terminal.json({ queue, dryRun: true, would, file: name });
    else if (globals.json)
      await terminal.json({ queue, file: null, exported: 0, deleted: 0, left: counts.ready });
    else if (would > 0) await terminal.out(forPeople(text));
    return EXIT.done;
  }
  terminal.note(
    forPeople(
      `${lettersText(would)} of ${queue} (${transport.address}) will be saved to ${name} first, then deleted.`,
    ),
  );
  if (!options.yes) {
    const check = (text: string) =>
      text.trim() === queue ? undefined : `Type ${queue} to delete, or Ctrl-C to leave everything as it is.`;
    await input(terminal, `Type the queue's name to delete ${lettersText(would)} of it:`, check, signal);
  }
  const lock = await untilAborted(lockQueue(transport, queue, { now, pause }), signal);
  session.defer(() => lock.release());
  return purge(
    { queue, name, path, total: counts.ready, selection, transport, catalog: system.catalog },
    session,
  );
}

/** Messages that wait for a consumer are nobody's rubbish: `usage`, unless it was said that they are meant. */
async function refuseWorkQueue(queue: string, { transport, system }: OpenQueue): Promise<void> {
  const { deadLetterQueues } = await findQueues(transport, system);
  if (deadLetterQueues.some(({ name }) => name === queue)) return;
  throw new EventsError('usage', `${queue} is not known as a dead-letter queue`, {
    hint: 'What is in it may be waiting for its consumer. If it is meant all the same, add --any-queue.',
  });
}

interface Purge {
  readonly queue: string;
  /** Of the file, as the person wrote it. */
  readonly name: string;
  readonly path: string;
  readonly total: number;
  readonly selection: Selection;
  readonly transport: Transport;
  readonly catalog: Catalog;
}

async function purge(job: Purge, session: Session): Promise<ExitCode> {
  const { queue, name, path, selection, transport, catalog } = job;
  const { terminal, globals, signal, now } = session;
  const file = openAppend(path);
  session.defer(() => file.close());
  flushFolderOf(path);
  const words = { done: 'deleted', failed: 'failed' };
  const progress = startProgress(terminal, queue, globals.quiet, undefined, words);
  let exported = 0;
  let deleted = 0;
  let failure: EventsError | undefined;
  let aborted = false;
  try {
    const result = await drain(
      transport,
      {
        ...{ queue, total: job.total, signal },
        ...(selection.select !== undefined && { select: selection.select }),
        onSeen: (seen, total) => progress.update(deleted, 0, { seen, total }),
      },
      async (batch) => {
        exported += save(batch, file, (message) => {
          const { record } = seeLetter(catalog, message, queue, now());
          return JSON.stringify(toSavedRecord(record, message));
        });
        const outcomes = await Promise.all(batch.messages.map(({ delivery }) => delivery.ack()));
        const acked = outcomes.filter((outcome) => outcome === 'settled').length;
        if ((await batch.synchronise()) === 'settled') deleted += acked;
        return 'go-on';
      },
    );
    deleted = result.gone;
    aborted = result.ended === 'aborted';
  } catch (error) {
    if (!isEventsError(error)) throw error;
    failure = error;
    if (deleted === 0 && exported === 0) throw error;
  } finally {
    progress.stop();
  }
  const stopped = failure === undefined ? (aborted ? 'interrupted' : undefined) : failure.code;
  const left = await leftIn(transport, queue);
  if (globals.json) {
    await terminal.json({ queue, file: name, exported, deleted, left, ...(stopped && { stopped }) });
  } else {
    await terminal.out(
      forPeople(
        `Deleted ${lettersText(deleted)} of ${queue}, saved to ${name}; ${left ?? 'an unknown number'} left.`,
      ),
    );
  }
  if (selection.unfit() > 0) terminal.note('Dead letters that lack a field which --filter names were left.');
  if (exported > deleted) {
    terminal.warn(
      `${exported - deleted} lines of ${forPeople(name)} are of dead letters that may still be in the queue, or are in the file twice: the connection was lost on the way.`,
    );
  }
  if (aborted) {
    terminal.err('Interrupted: each dead letter is in the queue or in the file.');
    return EXIT.interrupted;
  }
  if (failure === undefined) return EXIT.done;
  terminal.err(
    forPeople(
      `error: ${failure.message}\n  What was not deleted is in ${queue}: run the purge again, with another file.`,
    ),
  );
  const code = exitCodeOf(failure.code);
  return code === EXIT.unreachable || deleted === 0 ? code : EXIT.partly;
}

/** Appends the batch and flushes it: whatever is acked after this is on disk. */
function save(
  batch: DrainBatch,
  file: AppendFile,
  line: (message: DrainBatch['messages'][number]['delivery']['message']) => string,
): number {
  file.append(batch.messages.map(({ delivery }) => `${line(delivery.message)}\n`).join(''));
  file.flush();
  return batch.messages.length;
}

async function countSelected(
  opened: OpenQueue,
  selection: Selection,
  criteria: Criteria,
  look: LookOptions,
  session: Session,
): Promise<number> {
  let count = 0;
  for await (const message of readQueue(opened, look, session)) {
    if (selection.select?.(message) ?? true) count++;
  }
  requireGroups(selection, criteria, opened.queue);
  return count;
}

async function leftIn(transport: Transport, queue: string): Promise<number | null> {
  try {
    return (await transport.counts(queue))?.ready ?? null;
  } catch {
    return null; // the report is about what was done; that the broker is gone has been said
  }
}

/** A queue's name may hold anything; a file's name should not. */
function fileNameOf(queue: string): string {
  return queue.replace(/[^A-Za-z0-9._-]/g, '_');
}

function timeIn(now: number): string {
  return new Date(now).toISOString().replace(/[:.]/g, '-');
}

function checkUsage(options: PurgeOptions, { terminal }: Session): void {
  const selecting = options.group !== undefined || options.filter !== undefined;
  if (options.all === selecting) {
    throw new EventsError(
      'usage',
      options.all ? '--all leaves nothing to select' : 'Nothing said about what to delete',
      {
        hint: 'Give --group G or --filter EXPR, or --all for everything.',
      },
    );
  }
  if (!options.dryRun && !options.yes && !terminal.interactive) {
    throw new EventsError('usage', 'A purge deletes: without a terminal to ask on it needs --yes', {
      hint: 'See first what it would delete: --dry-run.',
    });
  }
}
