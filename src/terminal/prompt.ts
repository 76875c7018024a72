/**
 * Questions on stderr, so that stdout stays a result. Call them only where `terminal.interactive`. Each rejects with
 * `interrupted` on Ctrl-C. inquirer writes to the stream by itself, past the terminal's gate: what it is given is made
 * safe here.
 */
import { EventsError } from '../core/errors.js';
import type { Terminal } from './io.js';
import { lineForPeople } from './safe-text.js';

/** One of several answers. */
export interface Choice<Value> {
  readonly value: Value;
  readonly name: string;
  /** Shown below the list while the choice is the current one. */
  readonly description?: string;
  /** `checkbox` only: chosen from the start. */
  readonly checked?: boolean;
}

/** Asks yes or no; `yes` is what Enter means. */
export async function confirm(
  terminal: Terminal,
  message: string,
  yes: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  return (await ask(terminal, { type: 'confirm', message, default: yes }, signal)) === true;
}

/** Asks for any number of the choices, at least one. */
export async function checkbox<Value>(
  terminal: Terminal,
  message: string,
  choices: readonly Choice<Value>[],
  signal: AbortSignal,
): Promise<Value[]> {
  const answer = await ask(
    terminal,
    { type: 'checkbox', message, choices: numbered(choices), required: true, loop: false },
    signal,
  );
  const picked = new Set(Array.isArray(answer) ? answer : []);
  return choices.flatMap(({ value }, at) => (picked.has(at) ? [value] : []));
}

/** Asks for one of the choices; the first is what Enter means. There must be one at least. */
export async function select<Value>(
  terminal: Terminal,
  message: string,
  choices: readonly [Choice<Value>, ...Choice<Value>[]],
  signal: AbortSignal,
): Promise<Value> {
  const answer = await ask(
    terminal,
    { type: 'select', message, choices: numbered(choices), loop: false },
    signal,
  );
  return (choices.find((_, at) => at === answer) ?? choices[0]).value;
}

/** Asks for a text, again and again until `check` has nothing to say about it. */
export async function input(
  terminal: Terminal,
  message: string,
  check: (text: string) => string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const validate = (text: string) => check(text) ?? true;
  return String(await ask(terminal, { type: 'input', message, validate }, signal));
}

type Question =
  | { readonly type: 'confirm'; readonly message: string; readonly default: boolean }
  | {
      readonly type: 'checkbox' | 'select';
      readonly message: string;
      readonly choices: readonly object[];
      readonly required?: boolean;
      readonly loop: boolean;
    }
  | {
      readonly type: 'input';
      readonly message: string;
      readonly validate: (text: string) => string | true;
    };

async function ask(terminal: Terminal, question: Question, signal: AbortSignal): Promise<unknown> {
  // 84 ms to import: only when there is someone to ask.
  const { default: inquirer } = await import('inquirer');
  const prompt = inquirer.createPromptModule({
    input: terminal.streams.stdin as NodeJS.ReadStream,
    output: terminal.streams.stderr as NodeJS.WriteStream,
    signal,
  } as Parameters<typeof inquirer.createPromptModule>[0]);
  try {
    const answers: { readonly answer: unknown } = await prompt([
      { ...question, name: 'answer', message: lineForPeople(question.message) },
    ]);
    return answers.answer;
  } catch (error) {
    // inquirer's names for Ctrl-C in the prompt and for a signal that fired meanwhile.
    if (error instanceof Error && /^(ExitPromptError|AbortPromptError)$/.test(error.name)) {
      throw new EventsError('interrupted', 'Interrupted: nothing was changed', { cause: error });
    }
    throw error;
  }
}

/** inquirer compares and prints values: numbers are safe for both. */
function numbered<Value>(choices: readonly Choice<Value>[]): object[] {
  return choices.map(({ name, description, checked }, at) => ({
    value: at,
    name: lineForPeople(name),
    short: lineForPeople(name),
    ...(description !== undefined && { description: lineForPeople(description) }),
    ...(checked !== undefined && { checked }),
  }));
}
