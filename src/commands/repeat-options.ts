/** Options as another command line needs them, to go on where this one ended. */
import { resolve } from 'node:path';
import type { GlobalOptions } from '../terminal/options.js';
import { lineForPeople } from '../terminal/safe-text.js';
import type { Session } from './deps.js';
import type { ReplayDlqOptions } from './replay-usage.js';

type Going = Pick<ReplayDlqOptions, 'rate' | 'canary' | 'canaryWait' | 'maxDeaths' | 'ledger'>;

/** What finds the same broker and the same ledger, with a blank before each; '' where nothing was given. */
export function whereOptions(
  { globals, terminal }: Pick<Session, 'globals' | 'terminal'>,
  ledger: string | undefined,
): string {
  const at = (path: string) => resolve(terminal.streams.directory, path);
  return [
    ...brokerWords(globals),
    ...(ledger === undefined ? [] : ['--ledger', at(ledger)]),
    ...(globals.config === undefined ? [] : ['--config', at(globals.config)]),
    ...(globals.preset === undefined ? [] : ['--preset', globals.preset]),
    ...(globals.timeout === undefined ? [] : ['--timeout', `${globals.timeout}ms`]),
  ]
    .map((word) => ` ${shellWord(word)}`)
    .join('');
}

/** The same, and how a replay goes about it. */
export function resumeOptions(
  session: Pick<Session, 'globals' | 'terminal'>,
  { rate, canary, canaryWait, maxDeaths, ledger }: Going,
): string {
  const words = [
    rate !== undefined && ` --rate ${rate}`,
    canary !== undefined && ` --canary ${canary}`,
    canaryWait !== undefined && ` --canary-wait ${canaryWait}ms`,
    maxDeaths !== undefined && ` --max-deaths ${maxDeaths}`,
  ];
  return words.filter((word) => word !== false).join('') + whereOptions(session, ledger);
}

/** A word as a POSIX shell takes it for itself. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A URL with a password is not for a screen, nor for the shell's history: its place is kept. */
function brokerWords({ url, profile }: GlobalOptions): string[] {
  const isShown = url !== undefined && lineForPeople(url) === url;
  return [
    ...(url === undefined ? [] : ['--url', isShown ? url : 'THE-SAME-URL']),
    ...(profile === undefined ? [] : ['--profile', profile]),
  ];
}
