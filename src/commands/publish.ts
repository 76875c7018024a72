import { randomUUID } from 'node:crypto';
import { Command } from 'commander';
import { EventsError, isEventsError } from '../core/errors.js';
import type { Catalog } from '../core/events/catalog.js';
import { parseJson } from '../core/events/json.js';
import type { OutgoingMessage } from '../core/message.js';
import { messageFor, readLine } from '../core/publishing/input.js';
import { publishStream, type StreamItem } from '../core/publishing/stream.js';
import type { Transport } from '../core/transport.js';
import { setPaths } from '../project/set-paths.js';
import type { ExitCode } from '../terminal/exit-codes.js';
import { positiveNumber, wholeNumber } from '../terminal/options.js';
import { startProgress } from '../terminal/progress.js';
import type { CommandDeps, Session } from './deps.js';
import { finishPublish, notStarted } from './publish-report.js';
import { linesOf, requireReadable } from './publish-source.js';
import { readWhole } from './whole-input.js';

interface PublishOptions {
  readonly data?: string;
  readonly set: readonly string[];
  readonly sample: boolean;
  readonly from?: string;
  readonly count: number;
  readonly rate?: number;
  readonly startLine: number;
  readonly maxErrors: number;
  readonly dryRun: boolean;
}

/** `publish`: one event, or a stream of them; validated, confirmed, accounted for. */
export function publishCommand(deps: CommandDeps): Command {
  return new Command('publish')
    .description(
      'Publish events: validated against the catalog, confirmed by the broker, each accounted for.',
    )
    .argument('[event-type]', 'event to publish, such as analysis.completed')
    .option('--data <json>', 'its data: JSON, @FILE, or - for stdin')
    .option(
      '--set <path=value>',
      'set one field (repeatable); JSON or text; {uuid} and {n} are filled in',
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option('--sample', "start from the catalog's sample data", false)
    .option('--count <n>', 'publish it n times, each under its own id', wholeNumber(1), 1)
    .option('--rate <n>', 'events per second at most', positiveNumber)
    .option('--from <file>', 'publish every line of a JSONL file, or - for stdin')
    .option('--start-line <n>', 'with --from: skip the lines before this one', wholeNumber(1), 1)
    .option(
      '--max-errors <n>',
      'stop after this many failed events (what is in flight then is still counted)',
      wholeNumber(1),
      100,
    )
    .option('--dry-run', 'validate everything, send nothing', false)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events publish analysis.completed --sample
  $ atma-events publish analysis.failed --sample --set errorMessage="out of tokens" --set metadata.retryCount=2
  $ atma-events publish analysis.started --data @started.json
  $ atma-events publish analysis.completed --sample --set jobId={uuid} --count 1000 --rate 50
  $ atma-events publish --from events.jsonl
  $ atma-events tail --save day.jsonl … ; atma-events publish --from day.jsonl    byte for byte the same

A line of --from is {"eventType":…}, {"type","data"}, or what tail --json or tail --save wrote.
JSON: {"published","confirmed","returned","failed","errors":[{"line"?,"code","message"}]}, and "startLine" to
continue from when it ended early. Exit codes: 0 all confirmed, 3 some, 1 none, 2 invalid, 5 broker unreachable.`,
    )
    .action((type: string | undefined, options: PublishOptions, command: Command) =>
      deps.run(command, (session) => runPublish(type, options, session)),
    );
}

async function runPublish(
  type: string | undefined,
  options: PublishOptions,
  session: Session,
): Promise<ExitCode> {
  const { signal, terminal } = session;
  const context = { type, file: options.from, dryRun: options.dryRun };
  // Ends a source that waits for input when the stream stops for another reason.
  const reading = new AbortController();
  const source = { ...session, signal: AbortSignal.any([signal, reading.signal]) };
  let prepared: Prepared;
  try {
    prepared = await prepare(type, options, source);
  } catch (error) {
    if (!isEventsError(error) || error.code === 'interrupted') throw error;
    const toSend = type === undefined ? 0 : options.count;
    return finishPublish(notStarted(error, toSend, options.startLine), session, { ...context, elapsedMs: 0 });
  }
  const { transport, items } = prepared;
  const progress = startProgress(terminal, 'publishing', session.globals.quiet);
  const startedAt = performance.now();
  const report = await publishStream(transport, items, {
    maxErrors: options.maxErrors,
    firstLine: options.startLine,
    signal,
    onProgress: ({ confirmed, failed, returned }) => progress.update(confirmed, failed + returned),
    ...(options.rate !== undefined && { rate: options.rate }),
  });
  progress.stop();
  reading.abort();
  const id = options.count === 1 ? prepared.lastId() : undefined;
  return finishPublish(report, session, {
    ...context,
    ...(id !== undefined && { id }),
    address: transport.address,
    elapsedMs: performance.now() - startedAt,
  });
}

interface Prepared {
  readonly transport: Pick<Transport, 'publish' | 'address'>;
  readonly items: AsyncIterable<readonly StreamItem[]>;
  /** Id of the last event made from the command line. */
  lastId(): string | undefined;
}

/** Everything that can be found wrong before the first event is sent; the broker comes last. */
async function prepare(
  type: string | undefined,
  options: PublishOptions,
  session: Session,
): Promise<Prepared> {
  checkUsage(type, options);
  const settings = await session.settings();
  const { catalog } = settings.system;
  const publisher = { now: session.now, ...(settings.source !== undefined && { source: settings.source }) };
  const input = type === undefined ? undefined : await inputOf(catalog, type, options, session);
  setPaths(input ?? {}, options.set, (text) => text); // a wrong path is told before a broker is asked for
  let lastId: string | undefined;
  const items =
    type === undefined
      ? linesOf({ from: options.from ?? '-', startLine: options.startLine }, session, (line, bytes) =>
          readLine(catalog, publisher, line, bytes),
        )
      : repeat(input, options, (filled) => {
          const message = messageFor(catalog, publisher, type, filled);
          lastId = message.properties.messageId;
          return message;
        });
  if (options.from !== undefined) requireReadable(options.from, session);
  const transport = options.dryRun ? NOWHERE : await session.open(settings);
  return { transport, items, lastId: () => lastId };
}

/** Where a dry run sends: everything that is valid is taken, nothing goes anywhere. */
const NOWHERE: Prepared['transport'] = { address: 'nobody', publish: async () => {} };

function checkUsage(type: string | undefined, options: PublishOptions): void {
  const single = options.data !== undefined || options.set.length > 0 || options.sample;
  if (type === undefined && options.from === undefined) {
    throw new EventsError('usage', 'Nothing to publish', {
      hint: 'Name an event type, or a file with --from.',
    });
  }
  if (options.from !== undefined && (type !== undefined || single || options.count !== 1)) {
    throw new EventsError('usage', '--from takes its events from the file', {
      hint: 'Leave out the event type, --data, --set, --sample and --count.',
    });
  }
  if (options.sample && options.data !== undefined) {
    throw new EventsError('usage', 'Give either --sample or --data', {
      hint: 'Single fields of the sample are changed with --set.',
    });
  }
  if (options.from === undefined && options.startLine !== 1) {
    throw new EventsError('usage', '--start-line goes with --from');
  }
  if (type !== undefined && !single) {
    throw new EventsError('usage', `No data for ${type}`, { hint: 'Give --data, --set or --sample.' });
  }
}

/** The event's data before `--set` placeholders are filled in. */
async function inputOf(
  catalog: Catalog,
  type: string,
  options: PublishOptions,
  session: Session,
): Promise<unknown> {
  const definition = catalog.get(type);
  if (options.data !== undefined) {
    const file = options.data.startsWith('@') ? options.data.slice(1) : undefined;
    const fromStdin = options.data === '-';
    const source = fromStdin ? '-' : file;
    const text = source === undefined ? options.data : (await readWhole(source, session)).toString('utf8');
    const parsed = parseJson(text.replace(/^\uFEFF/, ''));
    if ('value' in parsed) return parsed.value;
    const where = file ?? (fromStdin ? 'stdin' : '--data');
    throw new EventsError('input-invalid', `${where} is not JSON: ${parsed.problem}`);
  }
  if (!options.sample) return {};
  if (definition.sample === undefined) throw new EventsError('usage', `The catalog has no sample of ${type}`);
  return definition.sample;
}

/** The same event `--count` times. Where two in a row would have one id, `-2`, `-3`, … is added to it. */
async function* repeat(
  input: unknown,
  options: PublishOptions,
  make: (input: unknown) => OutgoingMessage,
): AsyncGenerator<StreamItem[]> {
  let previousId: string | undefined;
  for (let n = 1; n <= options.count; n++) {
    try {
      const fill = (text: string) =>
        text.replaceAll('{uuid}', () => randomUUID()).replaceAll('{n}', String(n));
      const message = make(setPaths(input, options.set, fill));
      const { messageId } = message.properties;
      const twin = messageId !== undefined && messageId === previousId;
      previousId = messageId;
      yield [{ line: n, message: twin ? withId(message, `${messageId}-${n}`) : message }];
    } catch (error) {
      if (!isEventsError(error, 'event-invalid')) throw error;
      yield [{ line: n, error }];
    }
  }
}

function withId(message: OutgoingMessage, messageId: string): OutgoingMessage {
  return { ...message, properties: { ...message.properties, messageId } };
}
