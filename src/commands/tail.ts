import { Command } from 'commander';
import { EventsError } from '../core/errors.js';
import type { Decoded } from '../core/events/codec.js';
import { isoTimeOfSeconds } from '../core/events/iso-time.js';
import { type EventRecord, toRecord, toSavedRecord } from '../core/events/record.js';
import type { ReceivedMessage } from '../core/message.js';
import { matchesBindingKey } from '../core/topology/routing-key.js';
import { tapBindings } from '../core/topology/tap-bindings.js';
import type { TapGap, Transport } from '../core/transport.js';
import { parseDuration } from '../project/duration.js';
import { type AppendFile, openAppend } from '../storage/append-file.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { compileFilter, FILTER_NAMES, type Filter } from '../terminal/filter.js';
import { argument, wholeNumber } from '../terminal/options.js';
import { type CommandDeps, type Session, untilAborted } from './deps.js';
import { renderEvent } from './tail-line.js';
import { untilOver } from './until-over.js';

interface TailOptions {
  readonly count?: number;
  readonly for?: number;
  readonly filter?: string;
  readonly save?: string;
  readonly exchange: readonly string[];
  readonly queue?: string;
  readonly browse: boolean;
  readonly buffer?: number;
}

/** `tail`: copies of events as they are published, or the messages waiting in a queue. */
export function tailCommand(deps: CommandDeps): Command {
  return new Command('tail')
    .description('Show events as they are published. Works on copies: no message is taken from a consumer.')
    .argument('[pattern...]', 'routing keys to follow, with * and # as in AMQP (default #: all)')
    .option('-n, --count <n>', 'end after this many events', wholeNumber(1))
    .option('--for <duration>', 'end after this long, such as 30s or 5m', argument(parseDuration))
    .option(
      '--filter <expression>',
      `show only events for which this CEL expression is true; names: ${FILTER_NAMES}`,
    )
    .option(
      '--save <file>',
      'append each message to a JSONL file, whole (it may hold personal data; mode 0600)',
    )
    .option(
      '--exchange <name>',
      'exchange to follow (repeatable; default: those of the catalog)',
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option('--queue <name>', 'with --browse: look at what waits in this queue')
    .option('--browse', 'leave the messages where they are', false)
    .option(
      '--buffer <n>',
      'copies the broker keeps for a slow reader before it drops the oldest (default 10000)',
      wholeNumber(1),
    )
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events tail
  $ atma-events tail 'analysis.*' --count 10 --json
  $ atma-events tail --filter 'eventType == "analysis.failed" && event.metadata.retryCount > 2'
  $ atma-events tail --for 1h --save day.jsonl
  $ atma-events tail --queue analysis_events_notifications_dlq --browse

With --browse on RabbitMQ, consumers do not get the messages while they are being looked at; then they are back in
their places, flagged redelivered (a quorum queue counts a delivery: with a delivery limit, do not look too often).

Prints "tailing …" on stderr once it is bound, and says so when events may be missing. E-mail addresses are
hidden in the lines for people; --json and --save hold the event as it is.
JSON, a line per event: {"receivedAt","exchange","routingKey","messageId","type","headers","valid","errors"?,"event"}`,
    )
    .action((patterns: string[], options: TailOptions, command: Command) =>
      deps.run(command, (session) => runTail(patterns, options, session), { streaming: true }),
    );
}

async function runTail(
  patterns: readonly string[],
  options: TailOptions,
  session: Session,
): Promise<ExitCode> {
  checkUsage(options);
  const filter = options.filter === undefined ? undefined : await compileFilter(options.filter);
  const settings = await session.settings();
  const { catalog, topology } = settings.system;
  const keys = patterns.length === 0 ? ['#'] : patterns;
  const file = options.save === undefined ? undefined : openAppend(options.save);
  if (file) session.defer(() => file.close());
  const sink = createSink(options, session, catalog, filter, file);

  if (options.queue !== undefined) {
    const transport = await session.openLazily(settings);
    // Every message looked at is out of its consumers' reach for that time: take no more than will be shown.
    const limit = patterns.length === 0 && filter === undefined ? options.count : undefined;
    return browseQueue(options.queue, keys, limit, transport, sink, session);
  }

  // Lazily: a tap needs one connection, and the one for publishing would be a second to lose.
  const transport = await session.openLazily(settings);
  const exchanges =
    options.exchange.length > 0 ? options.exchange : [...new Set(catalog.definitions.map((d) => d.exchange))];
  const tap = await untilAborted(
    transport.tap(
      {
        bindings: tapBindings(exchanges, keys, topology, catalog),
        bufferLimit: options.buffer ?? DEFAULT_BUFFER,
      },
      {
        onMessage: (message) => sink.take(message),
        onGap: (gap) => session.terminal.warn(gapText(gap)),
      },
    ),
    session.signal,
  );
  session.terminal.err(`tailing ${keys.join(' ')} on ${exchanges.join(', ')} (${transport.address})`);
  const ended = await untilOver(options.for, session.signal, sink.full, tap.ended);
  await tap.stop();
  await sink.drained();
  await tap.close();
  session.terminal.note(sink.summary());
  return ended;
}

const DEFAULT_BUFFER = 10_000;

function checkUsage(options: TailOptions): void {
  if ((options.queue === undefined) === options.browse) {
    throw new EventsError('usage', options.browse ? '--browse needs --queue' : '--queue needs --browse', {
      hint: 'tail never takes messages from a queue: --queue NAME --browse looks at them where they are.',
    });
  }
  const live = [
    options.for !== undefined && '--for',
    options.exchange.length > 0 && '--exchange',
    options.buffer !== undefined && '--buffer',
  ];
  const meaningless = live.filter(Boolean);
  if (options.browse && meaningless.length > 0) {
    throw new EventsError('usage', `${meaningless.join(', ')} means nothing with --browse`, {
      hint: '--browse shows what waits in the queue and ends.',
    });
  }
}

async function browseQueue(
  queue: string,
  keys: readonly string[],
  limit: number | undefined,
  transport: Transport,
  sink: Sink,
  { terminal, signal }: Session,
): Promise<ExitCode> {
  for await (const message of transport.browse(queue, limit === undefined ? {} : { limit })) {
    if (keys.some((key) => matchesBindingKey(key, message.routingKey))) await sink.take(message);
    if (sink.isFull() || signal.aborted) break;
  }
  terminal.note(sink.summary());
  if (!transport.features.browseLeavesNoTrace) {
    terminal.note(
      'They are back in their places, flagged "redelivered"; a quorum queue has counted one more delivery of each.',
    );
  }
  return signal.aborted ? EXIT.interrupted : EXIT.done;
}

interface Sink {
  /** Filters, saves and prints one message. */
  take(message: ReceivedMessage): Promise<void>;
  /** Resolves when `--count` is reached; rejects when the file cannot be written. */
  readonly full: Promise<void>;
  isFull(): boolean;
  drained(): Promise<void>;
  summary(): string;
}

function createSink(
  options: TailOptions,
  { terminal, globals, now }: Session,
  catalog: Parameters<typeof toRecord>[0],
  filter: Filter | undefined,
  file: AppendFile | undefined,
): Sink {
  let shown = 0;
  let invalid = 0;
  /** Events that the filter could not be applied to. */
  let unfit = 0;
  let signalFull: () => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const full = new Promise<void>((resolve, reject) => {
    signalFull = resolve;
    fail = reject;
  });
  full.catch(() => {}); // browse does not wait for it: `take` rejects there
  let last: Promise<void> = Promise.resolve();
  const isFull = () => options.count !== undefined && shown >= options.count;

  const print = (record: EventRecord, message: ReceivedMessage, decoded: Decoded) => {
    if (globals.json) return terminal.json(record);
    // When a waiting message was looked at says nothing; when it happened does.
    const time = options.browse ? happenedAt(message, decoded) : undefined;
    return terminal.out(renderEvent(record, message.body, terminal, time));
  };

  const take = async (message: ReceivedMessage) => {
    if (isFull()) return;
    const { record, decoded } = toRecord(catalog, message, new Date(now()));
    try {
      const matches = filter === undefined || filter(record);
      if (matches === undefined) unfit++;
      if (!matches) return;
      shown++;
      if (!record.valid) invalid++;
      file?.append(`${JSON.stringify(toSavedRecord(record, message))}\n`);
    } catch (error) {
      fail(error);
      throw error;
    }
    last = print(record, message, decoded);
    await last;
    if (isFull()) signalFull();
  };
  return {
    take,
    full,
    isFull,
    drained: () => last,
    summary: () =>
      [
        `${shown} event${shown === 1 ? '' : 's'}`,
        ...(invalid > 0 ? [`${invalid} invalid`] : []),
        ...(unfit > 0 ? [`${unfit} more lack a field that the filter names`] : []),
        ...(file ? [`saved to ${options.save}`] : []),
      ].join(', '),
  };
}

/** Date and time of a waiting event, as far as its message tells. */
function happenedAt({ properties: { timestamp } }: ReceivedMessage, decoded: Decoded): string {
  const sent = timestamp === undefined ? undefined : isoTimeOfSeconds(timestamp);
  const time = (decoded.valid && decoded.envelope.time) || sent;
  return time ? time.slice(0, 19).replace('T', ' ') : '(no time)';
}

function gapText({ reason }: TapGap): string {
  return reason === 'lost'
    ? 'was cut off from the broker: events may be missing here'
    : 'too slow: the broker dropped the oldest copies, events are missing here (--buffer)';
}
