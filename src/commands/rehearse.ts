import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { EventsError } from '../core/errors.js';
import { toRecord } from '../core/events/record.js';
import { readLine } from '../core/publishing/input.js';
import { publishStream, type StreamItem } from '../core/publishing/stream.js';
import { planTopology } from '../core/topology/plan.js';
import { atma } from '../presets/atma.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { renderTable } from '../terminal/table.js';
import { type CommandDeps, type Session, untilAborted } from './deps.js';
import { renderEvent } from './tail-line.js';

interface RehearseOptions {
  readonly keep: boolean;
}

/** What a rehearsal did; also its JSON. */
interface Rehearsal {
  readonly transport: string;
  readonly created: number;
  readonly published: number;
  readonly confirmed: number;
  readonly tailed: number;
  readonly queues: readonly { readonly queue: string; readonly ready: number }[];
  /** Where the broker file is, when it was kept. */
  readonly folder?: string;
}

const FIXTURE = new URL('../../fixtures/atma/events.jsonl', import.meta.url);
/** The broker is on this machine: what takes longer than this is broken. */
const PATIENCE_MS = 10_000;
const INDENT = '   ';

/** `rehearse`: the main job from end to end, with nothing installed and nothing left behind. */
export function rehearseCommand(deps: CommandDeps): Command {
  return new Command('rehearse')
    .description(
      "Show the main job on an embedded broker in a throwaway folder: set up ATMA's topology, publish its fixture events, tail them live.",
    )
    .option('--keep', 'keep the folder, to look at it with the other commands', false)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events rehearse
  $ atma-events rehearse --keep
  $ atma-events rehearse --json

JSON: {"transport","created","published","confirmed","tailed","queues":[{"queue","ready"}],"folder"?}`,
    )
    .action((options: RehearseOptions, command: Command) =>
      deps.run(command, (session) => runRehearse(options, session)),
    );
}

async function runRehearse(options: RehearseOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals, signal, now } = session;
  const foreign = (['url', 'preset', 'config', 'profile'] as const).filter(
    (name) => globals[name] !== undefined,
  );
  if (foreign.length > 0) {
    throw new EventsError(
      'usage',
      `rehearse takes no --${foreign[0]}: it has a broker and a topology of its own`,
      {
        hint: 'setup, publish and tail do the same on any broker.',
      },
    );
  }
  const folder = mkdtempSync(join(tmpdir(), 'atma-events-rehearsal-'));
  if (!options.keep) session.defer(() => rmSync(folder, { recursive: true, force: true }));
  const url = `embedded:${join(folder, 'broker.db')}`;
  const say = async (text: string) => {
    if (!globals.json) await terminal.out(text);
  };

  const transport = await session.openUrl(url, { timeoutMs: PATIENCE_MS, managementUrl: undefined });
  const { catalog, topology } = atma.build({});
  await say(terminal.style.bold('1. Set up the ATMA topology on an embedded broker'));
  const plan = planTopology(topology, await transport.inspect(topology));
  await transport.apply(plan.toApply);
  await say(
    `   ${topology.exchanges.length} exchanges, ${topology.queues.length} queues, ${topology.bindings.length} bindings created in ${folder}\n`,
  );

  await say(terminal.style.bold('2. Publish the events of fixtures/atma/events.jsonl and tail them live'));
  const items = readFileSync(FIXTURE, 'utf8')
    .split('\n')
    .map((line, at) => readLine(catalog, { source: 'rehearsal', now }, at + 1, Buffer.from(line)))
    .filter((item): item is StreamItem => item !== undefined);
  const narrow = {
    style: terminal.style,
    columns: terminal.columns === undefined ? undefined : terminal.columns - INDENT.length,
  };
  let tailed = 0;
  let seenAll: () => void = () => {};
  const allSeen = new Promise<void>((resolve) => {
    seenAll = resolve;
  });
  await transport.tap(
    { bindings: [{ exchange: catalog.definitions[0]?.exchange ?? '', key: 'analysis.*' }] },
    {
      async onMessage(message) {
        const { record } = toRecord(catalog, message, new Date(now()));
        await say(`${INDENT}${renderEvent(record, message.body, narrow)}`);
        tailed++;
        if (tailed === items.length) seenAll();
      },
      onGap() {},
    },
  );
  const report = await publishStream(transport, once(items), { signal });
  const [failure] = report.errors;
  if (failure) throw failure.error;
  if (signal.aborted) return EXIT.interrupted;
  await untilAborted(
    withinPatience(allSeen, () => `${tailed} of ${items.length} events reached the tail`),
    signal,
  );

  const queues = await Promise.all(
    topology.queues.map(async ({ name }) => ({
      queue: name,
      ready: (await transport.counts(name))?.ready ?? 0,
    })),
  );
  const result: Rehearsal = {
    transport: transport.scheme,
    created: plan.creates,
    published: report.published,
    confirmed: report.confirmed,
    tailed,
    queues,
    ...(options.keep && { folder }),
  };
  if (globals.json) await terminal.json(result);
  else await terminal.out(renderRehearsal(result, url));
  return EXIT.done;
}

async function* once(items: readonly StreamItem[]): AsyncGenerator<readonly StreamItem[]> {
  yield items;
}

function withinPatience(promise: Promise<void>, state: () => string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((_, reject) => {
    timer = setTimeout(
      () => reject(new EventsError('timeout', `Only ${state()} in ${PATIENCE_MS} ms`)),
      PATIENCE_MS,
    );
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function renderRehearsal(result: Rehearsal, url: string): string {
  const table = renderTable(
    ['QUEUE', 'WAITING'],
    result.queues.map(({ queue, ready }) => [queue, String(ready)]),
  );
  const next = result.folder
    ? [
        `atma-events tail --url ${url} --queue analysis_events_notifications --browse`,
        `atma-events tail --url ${url}            # in a second terminal, then:`,
        `atma-events publish --url ${url} analysis.completed --sample`,
      ]
    : [
        'atma-events rehearse --keep               # the same, and keep the broker to play with',
        'atma-events setup                         # the topology in ./.atma-events, to stay',
        "atma-events tail 'analysis.*'             # in a second terminal, then:",
        'atma-events publish analysis.completed --sample',
        'atma-events setup --dry-run --url amqp://localhost:5672      # the same on RabbitMQ',
      ];
  return [
    '',
    `Done: ${result.confirmed} of ${result.published} events confirmed on disk, ${result.tailed} tailed; each waits for both services:`,
    ...table.split('\n').map((line) => `   ${line}`),
    '',
    result.folder ? `Kept in ${result.folder}.` : 'The folder is removed again.',
    'Try next (with npx in front, unless installed globally):',
    ...next.map((line) => `   ${line}`),
  ].join('\n');
}
