import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { EventsError } from '../core/errors.js';
import { EXIT, type ExitCode } from '../terminal/exit-codes.js';
import { confirm } from '../terminal/prompt.js';
import { forPeople } from '../terminal/safe-text.js';
import type { CommandDeps, Session } from './deps.js';
import { DEFAULT_STORE } from './shadow-store.js';

interface PurgeOptions {
  readonly store: string;
  readonly dryRun: boolean;
  readonly yes: boolean;
}

/** `shadow purge`: what a run has stored, deleted. */
export function shadowPurgeCommand(deps: CommandDeps): Command {
  return new Command('purge')
    .description(
      'Delete what a shadow run has stored: counts, open legs, and the redacted fields of mismatches.',
    )
    .option('--store <file>', "the run's store", DEFAULT_STORE)
    .option('--dry-run', 'say what would be deleted, delete nothing', false)
    .option('-y, --yes', 'do not ask; needed where there is no terminal', false)
    .addHelpText(
      'after',
      `
Examples:
  $ atma-events shadow purge
  $ atma-events shadow purge --store june.db --yes

It cannot be brought back: keep the report first, with shadow report --html FILE. Refused while the run goes on.

JSON: {"store","deleted"}; with --dry-run {"store","dryRun":true,"would":true or false}.`,
    )
    .action((options: PurgeOptions, command: Command) =>
      deps.run(command, (session) => runPurge(options, session)),
    );
}

async function runPurge(options: PurgeOptions, { terminal, globals, signal }: Session): Promise<ExitCode> {
  const store = resolve(terminal.streams.directory, options.store);
  const there = existsSync(store);
  if (options.dryRun) {
    const text = there ? `Dry run: ${store} would be deleted.` : `Dry run: there is no ${store}.`;
    if (globals.json) await terminal.json({ store, dryRun: true, would: there });
    else await terminal.out(forPeople(text));
    return EXIT.done;
  }
  if (there) {
    if (!options.yes) await ask(store);
    const { deleteRun } = await import('../shadow/delete-run.js');
    deleteRun(store);
  }
  if (globals.json) await terminal.json({ store, deleted: there });
  else
    await terminal.out(forPeople(there ? `Deleted ${store}.` : `Nothing to delete: there is no ${store}.`));
  return EXIT.done;

  async function ask(path: string): Promise<void> {
    if (!terminal.interactive) {
      throw new EventsError('usage', 'A purge deletes: without a terminal to ask on it needs --yes', {
        hint: 'See first what it would delete: --dry-run.',
      });
    }
    if (await confirm(terminal, `Delete the shadow run in ${path}?`, false, signal)) return;
    throw new EventsError('interrupted', 'Nothing was deleted.');
  }
}
