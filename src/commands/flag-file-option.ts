/** `--file`, which every `flag` command takes. */
import { resolve } from 'node:path';
import { FLAG_FILE_VARIABLE } from '../project/flag-settings.js';
import type { Settings } from '../project/settings.js';
import type { Terminal } from '../terminal/io.js';
import { lineForPeople } from '../terminal/safe-text.js';

export const FLAG_FILE_OPTION = [
  '--file <file>',
  'the flag file (env ATMA_EVENTS_FLAG_FILE, else flag.file of the config; default ./.atma-events/flags.json)',
] as const;

/** Absolute. Warns where nobody has named it: a service never goes by the default, which depends on the folder one stands in. */
export function flagFileOf(
  options: { readonly file?: string },
  { flag }: Pick<Settings, 'flag'>,
  { streams, warn }: Pick<Terminal, 'streams' | 'warn'>,
): string {
  if (options.file !== undefined) return resolve(streams.directory, options.file);
  if (!flag.named) warn(lineForPeople(unnamedText(flag.file)));
  return flag.file;
}

function unnamedText(file: string): string {
  return `Nobody has named the flag file, so it is ${file}. Services never look there by themselves: without ${FLAG_FILE_VARIABLE} they go by USE_EVENT_DRIVEN. Name one file for them and for this command: ${FLAG_FILE_VARIABLE}, here also --file or flag.file of the config.`;
}
