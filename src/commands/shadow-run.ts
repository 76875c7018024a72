import { resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../project/duration.js';
import type { LiveRun, SpoolFile } from '../shadow/live-run.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { argument, wholeNumber } from '../terminal/options.js';
import type { CommandDeps, Session } from './deps.js';
import { requireMapping } from './shadow-output.js';
import type { RunEnd } from './shadow-run-end.js';
import { startRunStatus } from './shadow-run-status.js';
import { DEFAULT_STORE } from './shadow-store.js';
import { routeOf, upstream } from './shadow-upstreams.js';
import { untilOver } from './until-over.js';

interface RunOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly upstream: Readonly<Record<string, string>>;
  readonly for?: number;
  readonly store: string;
  readonly bodyLimit?: number;
  readonly window?: number;
  readonly budget?: number;
  readonly spool: readonly SpoolFile[];
  readonly rewriteHost: boolean;
  readonly flagFile?: string;
}

/** `shadow run`: callbacks and events recorded and compared while they happen. */
export function shadowRunCommand(deps: CommandDeps): Command {
  return new Command('run')
    .description(
      'Record and compare while both paths run: a proxy that services send their callbacks through, beside taps on what the consumers receive.',
    )
    .requiredOption(
      '--listen <[host:]port>',
      'where the proxy listens; without a host on this machine only',
      listen,
    )
    .requiredOption(
      '--upstream <name=url>',
      'where the callbacks of a consumer go (repeatable), such as notification=http://localhost:3005',
      upstream,
    )
    .option('--for <duration>', 'end after this long, such as 8h', argument(parseDuration))
    .option('--store <file>', 'where the run is kept, and gone on with', DEFAULT_STORE)
    .option(
      '--body-limit <bytes>',
      'compare bodies up to this size (default 1 MiB); longer ones pass as well',
      wholeNumber(1),
    )
    .option(
      '--window <duration>',
      'how long a fact waits for its other half (default: 60s, or longer as it turns out)',
      argument(parseDuration),
    )
    .option(
      '--budget <duration>',
      'an event later than its callback by more counts as too late (default: shadowPolicy of the config)',
      argument(parseDuration),
    )
    .option(
      '--spool <[kind=]file>',
      'also read what a service appends: callbacks=FILE, reports=FILE, or all-of:CONSUMER=FILE where every ack of that consumer is in it (repeatable)',
      spool,
      [],
    )
    .option('--rewrite-host', 'Host names the upstream instead of this proxy', false)
    .option(
      '--flag-file <file>',
      'the migration flag, which the verdict is about (env ATMA_EVENTS_FLAG_FILE, else flag.file of the config; default ./.atma-events/flags.json)',
    )
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events shadow run --listen 4010 --upstream notification=http://localhost:3005 --upstream assessment=http://localhost:3003
  $ atma-events shadow run --listen 4010 --upstream notification=http://n:3005 --upstream assessment=http://a:3003 --for 24h --store day.db

Then let the worker's NOTIFICATION_SERVICE_URL and ASSESSMENT_SERVICE_URL name the proxy. Callbacks and answers pass as they
are, also when the broker is down or the disk is full: what could not be recorded is a gap, and with a gap the verdict is
INCONCLUSIVE. Started again with the same --store, the run goes on, and the time between is a gap.
What the flag file was meanwhile is kept with the run: a verdict opens the gate to the next stage only where the flag was not moved.
Look at it at any time: shadow report, shadow verdict. Ctrl-C ends it; callbacks in flight are waited for.

JSON, at the end: {"legs","strata","verdict",…} as of shadow report, with "run":{"store","state","startedAt","savedAt"} and
"callbacks":{"forwarded","lost"}.
Exit codes: 0 ended by --for, 1 the end could not be saved, 2 wrong usage, 130 ended by Ctrl-C.`,
    )
    .action((options: RunOptions, command: Command) =>
      deps.run(command, (session) => runRun(options, session)),
    );
}

async function runRun(options: RunOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals, signal, now } = session;
  const settings = await session.settings();
  const mapping = requireMapping(settings);
  const route = routeOf(mapping, options.upstream);
  const store = resolve(terminal.streams.directory, options.store);
  const budgetMs = options.budget ?? settings.shadowPolicy.budgetMs;
  const status = startRunStatus(terminal, globals, now);
  session.defer(() => status.stop());
  const { startLiveRun } = await import('../shadow/live-run.js');
  // Now: in the weeks that a run lasts its program may be replaced by a newer one.
  const { judgeStored } = await import('./shadow-run-end.js');
  const run = await startLiveRun({
    proxy: {
      listen: options.listen,
      upstreams: options.upstream,
      route,
      rewriteHost: options.rewriteHost,
      ...(options.bodyLimit !== undefined && { bodyLimit: options.bodyLimit }),
    },
    // Lazily: a broker that is down must not keep the callbacks waiting.
    transport: await session.openLazily(settings),
    catalog: settings.system.catalog,
    topology: settings.system.topology,
    mapping,
    store,
    flagFile:
      options.flagFile === undefined
        ? settings.flag.file
        : resolve(terminal.streams.directory, options.flagFile),
    files: options.spool.map((file) => ({ ...file, path: resolve(terminal.streams.directory, file.path) })),
    ...(options.window !== undefined && { windowMs: options.window }),
    ...(budgetMs !== undefined && { budgetMs }),
    now,
    warn: (text) => status.around(() => terminal.warn(text)),
    note: (text) => status.around(() => terminal.note(text)),
  });
  session.defer(async () => void (await run.end()));
  terminal.err(
    `shadow run: callbacks on ${run.url} go to ${Object.keys(options.upstream).join(', ')}; recorded in ${store}`,
  );
  status.follow(run);
  const exitCode = await untilOver(options.for, signal);
  status.stop();
  terminal.note('Ending: waiting for callbacks in flight, 10 s at most; Ctrl-C again ends at once.');
  const ended = await run.end();
  await tell(ended, judgeStored(store, settings.shadowPolicy, now()), store, session);
  if (ended.saved) return exitCode;
  terminal.warn('The end of the run could not be saved: what came since the last time it was is a gap.');
  return exitCode === EXIT.done ? EXIT.failed : exitCode;
}

async function tell(
  { callbacks }: Awaited<ReturnType<LiveRun['end']>>,
  end: RunEnd | undefined,
  store: string,
  { terminal, globals }: Session,
): Promise<void> {
  const forwarded = { forwarded: callbacks.callbacks, lost: callbacks.lost };
  if (globals.json) await terminal.json({ ...end?.document, callbacks: forwarded });
  else await terminal.out(end?.text ?? 'Nothing was recorded.');
  terminal.note(
    `Forwarded ${callbacks.callbacks} callbacks. Next: atma-events shadow report --store ${store}`,
  );
}

function listen(text: string): RunOptions['listen'] {
  const found = /^(?:(.+):)?(\d{1,5})$/.exec(text);
  const port = Number(found?.[2]);
  if (found === null || port > 65_535)
    throw new InvalidArgumentError('Expected PORT or HOST:PORT, such as 4010.');
  return { host: found[1]?.replace(/^\[|\]$/g, '') ?? '127.0.0.1', port };
}

function spool(text: string, all: readonly SpoolFile[]): readonly SpoolFile[] {
  const found = /^(callbacks|reports|all-of:(.+?))=(.+)$/.exec(text);
  const [, kind, consumer, path] = found ?? [];
  if (path === undefined) {
    throw new InvalidArgumentError('Expected callbacks=FILE, reports=FILE or all-of:CONSUMER=FILE.');
  }
  const holds = kind === 'callbacks' ? 'callbacks' : 'reports';
  return [...all, { path, holds, ...(consumer !== undefined && { allOf: consumer }) }];
}
