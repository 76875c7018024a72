import { EventsError } from '../core/errors.js';
import type { Terminal } from './io.js';

/**
 * Asks yes or no on stderr. Call only where `terminal.interactive`; `yes` is what Enter means. Rejects with
 * `interrupted` on Ctrl-C.
 */
export async function confirm(
  terminal: Terminal,
  message: string,
  yes: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  // 84 ms to import: only when there is someone to ask.
  const { default: inquirer } = await import('inquirer');
  const prompt = inquirer.createPromptModule({
    input: terminal.streams.stdin as NodeJS.ReadStream,
    output: terminal.streams.stderr as NodeJS.WriteStream,
    signal,
  } as Parameters<typeof inquirer.createPromptModule>[0]);
  try {
    const { answer } = await prompt([{ type: 'confirm', name: 'answer', message, default: yes }]);
    return answer as boolean;
  } catch (error) {
    // inquirer's names for Ctrl-C in the prompt and for a signal that fired meanwhile.
    if (error instanceof Error && /^(ExitPromptError|AbortPromptError)$/.test(error.name)) {
      throw new EventsError('interrupted', 'Interrupted: nothing was changed', { cause: error });
    }
    throw error;
  }
}
