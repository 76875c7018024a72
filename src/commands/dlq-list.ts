import { Command } from 'commander';
import { EventsError, isEventsError } from '../core/errors.js';
import { closest } from '../core/events/closest.js';
import type { Transport } from '../core/transport.js';
import { readDeath } from '../dead-letters/death.js';
import {
  type DeadLetterQueue,
  type DelayQueue,
  type FoundQueues,
  findDeliveryLimits,
  findQueues,
  requireQueue,
} from '../dead-letters/find.js';
import type { System } from '../presets/preset.js';
import { age } from '../terminal/age.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { wholeNumber } from '../terminal/options.js';
import { forPeople } from '../terminal/safe-text.js';
import { renderTable } from '../terminal/table.js';
import { type CommandDeps, type Session, untilAborted } from './deps.js';
import { isHarmless, LOOK, type Looked, REMEDY, readQueue } from './dlq-looking.js';
import { diedAt } from './dlq-reading.js';

interface ListOptions {
  readonly limit?: number;
}

/** `dlq list`: depth, oldest message and reasons of every dead-letter queue. */
export function dlqListCommand(deps: CommandDeps): Command {
  return new Command('list')
    .description('How many dead letters are where, since when and why. Changes nothing.')
    .argument('[queue...]', 'queues to look at (default: every dead-letter queue)')
    .option(
      '--limit <n>',
      `messages looked at per queue for their age and reason; 0: none, which leaves no traces (default ${LOOK})`,
      wholeNumber(0),
    )
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events dlq list
  $ atma-events dlq list assessment_analysis_dlq --limit 100000
  $ atma-events dlq list --limit 0 --json        for monitoring: depths only

A dead-letter queue is one that another queue's dead letters lead to, or that is named like one. On RabbitMQ they are
found through the management API (RABBITMQ_MANAGEMENT_URL or the config's managementUrl); without it only those that
the preset or config knows.

Looking at a message on RabbitMQ flags it redelivered, and counts a delivery in a quorum queue: one that gives messages up
after a number of deliveries is not looked at unless --limit is given. Without the management API no queue is, for nobody
tells which is one.

Exit code 0, dead letters or not; 3 when a queue could not be looked into. JSON: [{"queue","messages","oldest","reasons"}], and "looked" where not all messages
were looked at. "oldest" is ISO 8601 or null, "reasons" counts by reason.`,
    )
    .action((queues: string[], options: ListOptions, command: Command) =>
      deps.run(command, async (session) => {
        try {
          return await runList(queues, options, session);
        } catch (error) {
          throw isEventsError(error, 'queue-missing') ? orMisspelt(error, queues[0] ?? '', command) : error;
        }
      }),
    );
}

/** `dlq shwo QUEUE` lists, for that is what `dlq` does by default. */
function orMisspelt(error: EventsError, first: string, { parent }: Command): EventsError {
  const verbs = parent?.commands.map((each) => each.name()) ?? [];
  const near = first.length <= LONGEST_TYPO ? closest(first, verbs) : undefined;
  if (near === undefined || parent?.args[0] !== first || !error.message.includes(`"${first}"`)) return error;
  return new EventsError('queue-missing', `there is neither a queue nor a command "${first}"`, {
    hint: `Did you mean "dlq ${near}"? ${error.hint ?? ''}`.trim(),
    cause: error.cause,
  });
}

/** Of a word that is taken for a misspelt command: the longest has eight letters. */
const LONGEST_TYPO = 10;

/** One dead-letter queue. The field names are a public contract. */
interface QueueSummary {
  readonly queue: string;
  /** Ready messages. */
  readonly messages: number;
  /** When the oldest of those looked at died. ISO 8601. */
  readonly oldest: string | null;
  readonly reasons: { readonly [reason: string]: number };
  /** Set when fewer than all were looked at. */
  readonly looked?: number;
}

async function runList(names: readonly string[], options: ListOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals, signal, now } = session;
  const settings = await session.settings();
  const transport = await session.openLazily(settings);
  const found =
    names.length > 0
      ? await untilAborted(namedQueues(names, transport, settings.system), signal)
      : await untilAborted(findQueues(transport, settings.system), signal);
  const summaries: QueueSummary[] = [];
  const failures: EventsError[] = [];
  for (const queue of found.deadLetterQueues) {
    try {
      const summary = await lookInto(queue, options, transport, session);
      if (summary !== undefined) summaries.push(summary);
    } catch (error) {
      // One queue that is locked, or down with its node, must not hide the others.
      if (!isEventsError(error) || /^(interrupted|closed|unreachable)$/.test(error.code)) throw error;
      failures.push(error);
      terminal.warn(`${queue.name} is left out: ${error.message}`);
    }
  }
  if (failures[0] !== undefined && summaries.length === 0) throw failures[0];
  const exitCode = failures.length > 0 ? EXIT.partly : EXIT.done;
  if (found.incomplete !== undefined) terminal.warn(incompleteText(found.incomplete));
  if (globals.json) {
    await terminal.json(summaries);
    return exitCode;
  }
  await terminal.out(renderQueues(summaries, transport.address, now()));
  const waiting = await waitingIn(found.delayQueues, transport, signal);
  if (waiting.length > 0) await terminal.out(`\n${renderWaiting(waiting)}`);
  if (summaries.length > 0) terminal.note(`on ${transport.address}`);
  const worst = summaries.toSorted((a, b) => b.messages - a.messages)[0];
  if (worst !== undefined && worst.messages > 0) {
    terminal.note(`Why they died: atma-events dlq groups ${worst.queue}`);
  }
  return exitCode;
}

/** Undefined when the queue was deleted since it was found. */
async function lookInto(
  { name, deliveryLimit }: DeadLetterQueue,
  options: ListOptions,
  transport: Transport,
  session: Session,
): Promise<QueueSummary | undefined> {
  const counts = await untilAborted(transport.counts(name), session.signal);
  if (counts === undefined) return undefined;
  // Whoever lists by habit must not use up the deliveries that the messages have left.
  const looked: Looked = { queue: name, transport, deliveryLimit };
  const spared = options.limit === undefined && !isHarmless(looked);
  if (spared && counts.ready > 0) session.terminal.warn(sparedText(looked));
  const limit = counts.ready === 0 || spared ? 0 : (options.limit ?? LOOK);
  return summarise(looked, counts.ready, limit, session);
}

/** Those that hold messages now: a survey may be some seconds old. */
async function waitingIn(
  queues: readonly DelayQueue[],
  transport: Transport,
  signal: AbortSignal,
): Promise<DelayQueue[]> {
  const waiting: DelayQueue[] = [];
  for (const queue of queues) {
    const { ready } = (await untilAborted(transport.counts(queue.name), signal)) ?? { ready: 0 };
    if (ready > 0) waiting.push({ ...queue, ready });
  }
  return waiting;
}

async function namedQueues(
  names: readonly string[],
  transport: Transport,
  system: System,
): Promise<FoundQueues> {
  for (const name of names) {
    try {
      await requireQueue(transport, system, name);
    } catch (error) {
      // It is there: looking into it tells the rest.
      if (!isEventsError(error, 'queue-locked')) throw error;
    }
  }
  const limits = await findDeliveryLimits(transport);
  return {
    deadLetterQueues: names.map((name) => ({ name, deliveryLimit: limits(name) })),
    delayQueues: [],
  };
}

async function summarise(
  queueLooked: Looked,
  messages: number,
  limit: number,
  session: Session,
): Promise<QueueSummary> {
  const { queue } = queueLooked;
  const reasons = new Map<string, number>();
  let oldest: string | undefined;
  let looked = 0;
  try {
    for await (const message of limit > 0 ? readQueue(queueLooked, { limit }, session) : []) {
      const death = readDeath(message, queue);
      const died = diedAt({ message, death });
      if (died !== undefined && (oldest === undefined || died < oldest)) oldest = died;
      reasons.set(death.reason, (reasons.get(death.reason) ?? 0) + 1);
      looked++;
    }
  } catch (error) {
    // Its messages have few deliveries left: its depth is told all the same.
    if (!isEventsError(error, 'usage')) throw error;
    session.terminal.warn(forPeople(error.message));
  }
  return {
    queue,
    messages,
    oldest: oldest ?? null,
    reasons: Object.fromEntries([...reasons].toSorted(([, a], [, b]) => b - a)),
    ...(looked < messages && { looked }),
  };
}

/** The dead-letter queues as a table. */
export function renderQueues(summaries: readonly QueueSummary[], address: string, now: number): string {
  if (summaries.length === 0)
    return `No dead-letter queues on ${address}. Another broker: --url or --profile.`;
  return renderTable(
    ['QUEUE', 'MESSAGES', 'OLDEST', 'REASONS'],
    summaries.map(({ queue, messages, oldest, reasons, looked }) => [
      queue,
      String(messages),
      oldest === null ? '' : `${age(now - Date.parse(oldest))} ago`,
      reasonsText(reasons, looked),
    ]),
  );
}

function reasonsText(reasons: QueueSummary['reasons'], looked: number | undefined): string {
  if (looked === 0) return '(not looked at)';
  const text = Object.entries(reasons)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(', ');
  return looked === undefined ? text : `${text} (of the first ${looked})`;
}

/** The delay queues as a table: what is on its way back to a consumer is not dead yet. */
export function renderWaiting(queues: readonly DelayQueue[]): string {
  return renderTable(
    ['WAITING FOR A RETRY', 'MESSAGES', 'DELAY', 'GOES BACK TO'],
    queues.map(({ name, ready, delayMs, queue }) => [name, String(ready), age(delayMs), queue]),
  );
}

function incompleteText(reason: string): string {
  return (
    `there may be other dead-letter queues: ${reason}. These are the ones that the preset or config knows. ${REMEDY} Or name ` +
    "queues in the config's deadLetterQueues, or on the command line."
  );
}

function sparedText({ queue, deliveryLimit }: Looked): string {
  const why =
    deliveryLimit === 'unknown'
      ? 'it may be a quorum queue that gives messages up after a number of deliveries (the broker does not tell)'
      : `it is a quorum queue that gives a message up after ${deliveryLimit} deliveries`;
  return forPeople(
    `${queue} was not looked at: ${why}, and each look counts as one. With --limit it is looked at all the same.`,
  );
}
