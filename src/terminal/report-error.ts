import { isEventsError, messageOf } from '../core/errors.js';
import { EXIT, type ExitCode, exitCodeOf } from './exit-codes.js';
import type { Terminal } from './io.js';
import { forPeople } from './safe-text.js';

/** Prints an error: what failed, each field's problem, why, what to do next; a stack only with `--debug`. */
export function reportError(error: unknown, terminal: Terminal, debug: boolean): ExitCode {
  const { errorStyle } = terminal;
  const lines = [`${errorStyle.red('error:')} ${forPeople(headline(error))}`];
  if (isEventsError(error)) {
    for (const { path, message } of error.issues)
      lines.push(`  ${forPeople(path || '(whole value)')}: ${forPeople(message)}`);
  }
  const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : '';
  if (cause && !headline(error).includes(cause)) lines.push(`  cause: ${forPeople(cause)}`);
  if (isEventsError(error) && error.hint) lines.push(`  ${forPeople(error.hint)}`);
  if (debug && error instanceof Error && error.stack) lines.push(errorStyle.dim(forPeople(error.stack)));
  else if (!isEventsError(error)) lines.push('  This is a defect of atma-events; --debug shows where.');
  terminal.err(lines.join('\n'));
  return isEventsError(error) ? exitCodeOf(error.code) : EXIT.failed;
}

/** The message without the issues that are listed below it. */
function headline(error: unknown): string {
  const text = messageOf(error);
  if (!isEventsError(error) || error.issues.length === 0) return text;
  return text.split(': ', 1)[0] ?? text;
}
