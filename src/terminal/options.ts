/** Options that every command takes. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { EventsError, isEventsError, messageOf } from '../core/errors.js';

/** Parsed global options. */
export interface GlobalOptions {
  readonly url?: string;
  readonly preset?: string;
  readonly config?: string;
  readonly profile?: string;
  readonly json: boolean;
  readonly color: boolean;
  readonly input: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
  /** Milliseconds. */
  readonly timeout?: number;
}

/** The options themselves; those with a value are named in `GLOBAL_VALUE_FLAGS` as well. */
export function globalOptions(parseDuration: (text: string) => number): Option[] {
  return [
    new Option(
      '--url <url>',
      'broker: embedded:[PATH], amqp://… or amqps://… (env ATMA_EVENTS_URL, RABBITMQ_URL; default embedded:)',
    ),
    new Option('--preset <name>', 'ready-made catalog and topology: atma (env ATMA_EVENTS_PRESET)'),
    new Option('--config <file>', 'config file (default: atma-events.config.{ts,mjs,json} here or above)'),
    new Option('--profile <name>', 'named profile of the config (env ATMA_EVENTS_PROFILE)'),
    new Option(
      '--timeout <duration>',
      'time to reach the broker, such as 500ms or 30s (default 10s)',
    ).argParser(argument(parseDuration)),
    new Option('--json', 'print JSON on stdout, and nothing else'),
    new Option('--no-color', 'no colours (also: NO_COLOR, TERM=dumb, not a terminal)'),
    new Option('--no-input', 'never ask'),
    new Option('-q, --quiet', 'only results, warnings and errors'),
    new Option('--debug', 'show what happens, and stacks of errors'),
  ];
}

/** Global options followed by a value: needed to find the command's name among the arguments. */
export const GLOBAL_VALUE_FLAGS: ReadonlySet<string> = new Set([
  '--url',
  '--preset',
  '--config',
  '--profile',
  '--timeout',
]);

/** A commander argument parser from a function that throws `usage` errors. */
export function argument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      const hint = isEventsError(error) && error.hint ? ` ${error.hint}` : '';
      throw new InvalidArgumentError(`${messageOf(error)}.${hint}`);
    }
  };
}

/** Parses a whole number of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return argument((text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least) {
      throw new EventsError('usage', `"${text}" is not a whole number from ${least}`);
    }
    return value;
  });
}

/** Parses a number above zero. */
export const positiveNumber = argument((text: string) => {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0)
    throw new EventsError('usage', `"${text}" is not a number above 0`);
  return value;
});

/** Global options, wherever on the line they stood: the program at the root takes them all. */
export function globalsOf(command: Command): GlobalOptions {
  const { json, quiet, debug, ...rest } = command.optsWithGlobals<Partial<GlobalOptions>>();
  return {
    color: true,
    input: true,
    ...rest,
    json: json === true,
    quiet: quiet === true,
    debug: debug === true,
  };
}
