import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { EventsError } from '../core/errors.js';
import { type PlannedFault, parseFaults, STANDARD_FAULTS } from '../rehearsal/faults.js';
import { LEAST_JOBS, limitsFor } from '../rehearsal/limits.js';
import type { RehearsalReport } from '../rehearsal/report.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { positiveNumber, wholeNumber } from '../terminal/options.js';
import type { CommandDeps, Session } from './deps.js';
import { limitsText, renderRehearsal } from './rehearse-text.js';
import { startRehearsalView } from './rehearse-view.js';
import { readWhole } from './whole-input.js';

interface RehearseOptions {
  readonly jobs: number;
  readonly rate: number;
  readonly faults: string;
  readonly keep: boolean;
  readonly report?: string;
}

const BIN = fileURLToPath(new URL('../../bin/atma-events.js', import.meta.url));
const EXAMPLES = fileURLToPath(new URL('../../examples/atma', import.meta.url));

/** `rehearse`: the whole migration with real processes, under faults, and a table that says whether it held. */
export function rehearseCommand(deps: CommandDeps): Command {
  return new Command('rehearse')
    .description(
      'Rehearse the whole migration, from callbacks to events and back, with real services and under faults, in a temporary folder.',
    )
    .option('--jobs <n>', `jobs measured in each stage, at least ${LEAST_JOBS}`, wholeNumber(LEAST_JOBS), 160)
    .option('--rate <n>', 'jobs per second', positiveNumber, 150)
    .option('--faults <faults>', 'standard, none, or a file of them', 'standard')
    .option('--keep', 'keep the folder: flag file, runs of shadow mode, logs, the broker', false)
    .option('--report <file>', 'write all of it as one HTML page, too')
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events rehearse                                     on an embedded broker, nothing installed, under a minute
  $ atma-events rehearse --url amqp://localhost:5672         on RabbitMQ, under names of its own, removed in the end
  $ atma-events rehearse --faults none --jobs 500 --rate 200
  $ atma-events rehearse --report rehearsal.html --keep

It walks off, publish, shadow, live, rampdown, complete, and back to off, with this tool's own commands and the services of
examples/atma. A file of faults: {"faults":[{"fault","stage"}]}. What is planted, and how it is judged: docs/rehearsal.md.

JSON: {"ok","broker","address","startedAt","tookMs","limits":{"tolerated","cleanLegs","windowMs"},"facts","effects":{"expected",
"right","missing","doubled","wrongPath","stray","byCallback","byEvent"},"exactlyOnce","stages":[{"leg","facts",…,"verdict",
"seenMs"}],"faults":[{"fault","stage","did","reported"}],"moves":[{"from","to","epoch","seenMs","jobs"}],"cutOverMs",
"deadLetters":{"replayed","purged","left"},"audit":{"entries","problems"},"problems","folder"?}.
Exit codes: 0 every fact had its effects exactly once and every fault was reported, 4 something is not as it should be, 1 it
could not be carried out, 2 wrong usage, 5 broker unreachable, 130 interrupted.`,
    )
    .action((options: RehearseOptions, command: Command) =>
      deps.run(command, (session) => runRehearse(options, session)),
    );
}

async function runRehearse(options: RehearseOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals, signal, now } = session;
  const { environment, directory } = terminal.streams;
  const url = brokerOf(session);
  const faults = await faultsOf(options.faults, session);
  const { requireWritable, writeWhole } = await import('../storage/whole-file.js');
  const page = options.report === undefined ? undefined : resolve(directory, options.report);
  if (page !== undefined) requireWritable(page);
  const folder = mkdtempSync(join(tmpdir(), 'atma-events-rehearsal-'));
  if (!options.keep) session.defer(() => rmSync(folder, { recursive: true, force: true }));

  const limits = limitsFor(options.jobs);
  terminal.note(limitsText(limits));
  const view = startRehearsalView(terminal, globals, now);
  session.defer(() => view.stop());
  const { rehearse } = await import('../rehearsal/rehearsal.js');
  const report = await rehearse(
    {
      plan: {
        jobs: options.jobs,
        rate: options.rate,
        faults,
        limits,
        gateOff: environment.ATMA_BREAK === 'gate',
      },
      ...{ folder, url, bin: BIN, examples: EXAMPLES, environment },
    },
    {
      openTransport: (address) =>
        session.openUrl(address, {
          timeoutMs: globals.timeout ?? TIMEOUT_MS,
          managementUrl: environment.RABBITMQ_MANAGEMENT_URL,
        }),
      ...{ signal, now },
      tell: view.tell,
      onLive: view.follow,
    },
  );
  view.stop();
  if (globals.json) await terminal.json({ ...report, ...(options.keep && { folder }) });
  else await terminal.out(renderRehearsal(report, terminal));
  if (page !== undefined) {
    const { rehearsalHtml } = await import('../rehearsal/report-html.js');
    writeWhole(page, rehearsalHtml(report, now()));
    terminal.note(`Written: ${page}`);
  }
  if (options.keep) terminal.note(`Kept in ${folder}.`);
  return exitCodeOfRehearsal(report);
}

const TIMEOUT_MS = 10_000;

export function exitCodeOfRehearsal({ ok }: Pick<RehearsalReport, 'ok'>): ExitCode {
  return ok ? EXIT.done : EXIT.difference;
}

/** Undefined: an embedded one in the folder. Only what the command line says counts: it must need nothing to be set. */
function brokerOf({ globals }: Session): string | undefined {
  const foreign = (['preset', 'config', 'profile'] as const).find((name) => globals[name] !== undefined);
  if (foreign !== undefined) {
    throw new EventsError(
      'usage',
      `rehearse takes no --${foreign}: it has services and a topology of its own`,
      {
        hint: '--url names a RabbitMQ to rehearse on.',
      },
    );
  }
  const { url } = globals;
  if (url === undefined || url === 'embedded:') return undefined;
  if (/^amqps?:/i.test(url)) return url;
  throw new EventsError('usage', 'rehearse has an embedded broker of its own', {
    hint: 'Leave --url away, or give that of a RabbitMQ: amqp://localhost:5672.',
  });
}

async function faultsOf(text: string, session: Session): Promise<readonly PlannedFault[]> {
  if (text === 'standard') return STANDARD_FAULTS;
  if (text === 'none') return [];
  return parseFaults((await readWhole(text, session)).toString('utf8'), text);
}
