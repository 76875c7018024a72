/** Builds the commander tree from the command list and runs one command line through it. */
import { Command, CommanderError, type Option } from 'commander';
import { type Deps, runCommand } from './commands/deps.js';
import { COMMANDS } from './commands/index.js';
import { parseDuration } from './project/duration.js';
import { EXIT, type ExitCode } from './terminal/exit-codes.js';
import { GLOBAL_VALUE_FLAGS, globalOptions } from './terminal/options.js';

const EXAMPLES = `
Examples:
  $ atma-events rehearse                          see it work, nothing installed
  $ atma-events setup --check                     is everything there? (exit 4 if not)
  $ atma-events publish analysis.completed --sample
  $ atma-events tail 'analysis.*'
  $ atma-events tail --queue analysis_events_notifications_dlq --browse

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partly done, 4 difference found,
5 broker unreachable, 6 inconclusive, 130 interrupted.`;

/** Parses the command line, runs the command, returns its exit code. */
export async function runProgram(argv: readonly string[], deps: Deps, version: string): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  const program = new Command('atma-events')
    .description('Set up, publish and tail typed events on RabbitMQ or on an embedded broker.')
    .version(version, '-V, --version', 'print the version')
    .addHelpText('after', EXAMPLES)
    .configureOutput({
      writeOut: (text) => deps.streams.stdout.write(text),
      writeErr: (text) => deps.streams.stderr.write(text),
    })
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, optionDescription })
    .showHelpAfterError('(add --help for usage and examples)');
  for (const option of globalOptions(parseDuration)) program.addOption(option);

  const wanted = commandIn(argv);
  for (const entry of COMMANDS) {
    if (entry.name !== wanted) {
      program.command(entry.name).description(entry.summary);
      continue;
    }
    const command = (await entry.load())({
      async run(leaf, work, output) {
        exitCode = await runCommand(deps, leaf, work, output?.streaming);
      },
    });
    inherit(command, program);
    program.addCommand(command);
  }
  try {
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    throw error;
  }
}

/** A default is worth showing only where it is a value. */
function optionDescription({ description, defaultValue, mandatory }: Option): string {
  const shown = typeof defaultValue === 'number' || typeof defaultValue === 'string';
  return shown && !mandatory ? `${description} (default ${defaultValue})` : description;
}

/** Commands are built apart from the program: its output, help and exit settings are theirs too. */
function inherit(command: Command, program: Command): void {
  command.copyInheritedSettings(program);
  for (const child of command.commands) inherit(child, program);
}

/** The first argument that is neither an option nor a global option's value; for `help X`, X. */
function commandIn(argv: readonly string[]): string | undefined {
  const words = argv.filter(
    (word, at) => !word.startsWith('-') && !GLOBAL_VALUE_FLAGS.has(argv[at - 1] ?? ''),
  );
  return words[0] === 'help' ? words[1] : words[0];
}
