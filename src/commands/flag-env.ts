import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { EventsError, isEventsError } from '../core/errors.js';
import { allUseEvents, usesEvents } from '../core/migration/stage.js';
import { type EnvEdit, editEnv } from '../migration/env-file.js';
import { readFlagFile } from '../migration/flag-file.js';
import { positionText } from '../migration/position-text.js';
import { replaceFile } from '../storage/replace-file.js';
import { EXIT, type ExitCode, exitCodeOf } from '../terminal/exit-codes.js';
import type { Terminal } from '../terminal/io.js';
import { lineForPeople } from '../terminal/safe-text.js';
import { type CommandDeps, errorDocument, type Session } from './deps.js';
import { FLAG_FILE_OPTION, flagFileOf } from './flag-file-option.js';

interface EnvOptions {
  readonly file?: string;
  readonly dryRun: boolean;
}

const KEY = 'USE_EVENT_DRIVEN';

/** `flag env`: the flag as the variable that older services read. */
export function flagEnvCommand(deps: CommandDeps): Command {
  return new Command('env')
    .description(
      `Write ${KEY}=true or false, as the flag stands, into .env files. Everything else in them stays, byte for byte.`,
    )
    .argument('<files...>', '.env files; each must be there')
    .option(...FLAG_FILE_OPTION)
    .option('--dry-run', 'say what would change, change nothing', false)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events flag env services/*/.env --dry-run
  $ atma-events flag env /srv/worker/.env /srv/assessment/.env

For services that read no flag file: they see it when they are started again. True once every job is in live or beyond; a
percentage on the way there cannot be told in a boolean, and is false, with a warning.

Of several assignments the last one counts and is set; a missing one is added as the last line. Comments, quotes, export, CRLF,
mode and owner stay, and a link is followed. Each file is replaced in one step or not at all.

JSON: {"useEventDriven","stage","percent","dryRun","files":[{"file","action","line"?,"before"?,"overridden"?,"error"?}]};
action: kept, set, added or failed.
Exit codes: 0 done, 2 or 1 none could be written, 3 some could not.`,
    )
    .action((files: string[], options: EnvOptions, command: Command) =>
      deps.run(command, (session) => runEnv(files, options, session)),
    );
}

interface FileOutcome {
  readonly file: string;
  readonly edit?: EnvEdit;
  readonly error?: EventsError;
}

async function runEnv(files: readonly string[], options: EnvOptions, session: Session): Promise<ExitCode> {
  const { terminal, globals } = session;
  const path = flagFileOf(options, await session.settings(), terminal);
  const { state, hash } = readFlagFile(path);
  const value = allUseEvents(state);
  if (hash === null) terminal.warn(lineForPeople(`There is no flag file ${path}: the stage is off.`));
  if (!value && usesEvents(state.stage)) {
    terminal.warn(
      `The flag stands at ${positionText(state)}: ${KEY} has no percentages, and is false until all jobs are in live.`,
    );
  }
  const outcomes = files.map((file) => setIn(file, String(value), options.dryRun, terminal));
  if (globals.json) {
    const { stage, percent } = state;
    await terminal.json({
      ...{ useEventDriven: value, stage, percent, dryRun: options.dryRun },
      files: outcomes.map(documentOf),
    });
  } else {
    const done = outcomes.filter(({ edit }) => edit !== undefined);
    if (done.length > 0)
      await terminal.out(done.map((each) => lineOf(each, value, options.dryRun)).join('\n'));
  }
  for (const outcome of outcomes) tellTrouble(outcome, terminal);
  return exitCodeOfFiles(outcomes);
}

function setIn(file: string, value: string, dryRun: boolean, { streams }: Terminal): FileOutcome {
  const path = resolve(streams.directory, file);
  try {
    const edit = editEnv(contentOf(path), KEY, value);
    if (!dryRun && edit.action !== 'kept') replaceFile(path, edit.bytes);
    return { file, edit };
  } catch (error) {
    if (!isEventsError(error)) throw error;
    return { file, error };
  }
}

/** A missing one is not created: a mistyped name would look like a service that has been told. */
function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new EventsError('input-invalid', `Cannot read ${path}`, {
      cause,
      hint: 'Check the name. A file that is to be new: create it empty first.',
    });
  }
}

/** All: done. None: as the first failed. Some: partly. */
export function exitCodeOfFiles(outcomes: readonly Pick<FileOutcome, 'error'>[]): ExitCode {
  const failed = outcomes.flatMap(({ error }) => (error === undefined ? [] : [error]));
  if (failed.length === 0) return EXIT.done;
  return failed.length === outcomes.length && failed[0] !== undefined
    ? exitCodeOf(failed[0].code)
    : EXIT.partly;
}

function lineOf({ file, edit }: FileOutcome, value: boolean, dryRun: boolean): string {
  const { action, line, before } = edit ?? {};
  const would = dryRun ? 'would be ' : '';
  const what = {
    kept: `${KEY} is ${value} already`,
    set: `${KEY} ${would}set from ${before || 'nothing'} to ${value}`,
    added: `${KEY}=${value} ${would}added`,
  }[action ?? 'kept'];
  return lineForPeople(`${file}:${line}: ${what}`);
}

function tellTrouble({ file, edit, error }: FileOutcome, terminal: Terminal): void {
  if (edit !== undefined && edit.overridden.length > 0) {
    terminal.warn(
      lineForPeople(
        `${file}: an earlier ${KEY} in line ${edit.overridden.join(', ')} was left as it is: the last one counts.`,
      ),
    );
  }
  if (error !== undefined) {
    const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
    terminal.err(lineForPeople(`error: ${file}: ${error.message}${cause} ${error.hint ?? ''}`));
  }
}

function documentOf({ file, edit, error }: FileOutcome): object {
  if (edit === undefined) return { file, action: 'failed', error: errorDocument(error) };
  const { action, line, before, overridden } = edit;
  return { file, action, line, ...(before !== undefined && { before }), overridden };
}
