import type { Terminal } from './io.js';

/** Asks yes or no on stderr. Call only where `terminal.interactive`; `yes` is what Enter means. */
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
  const { answer } = await prompt([{ type: 'confirm', name: 'answer', message, default: yes }]);
  return answer as boolean;
}
