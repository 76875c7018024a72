/** The command on a pseudo-terminal, as a person has it before them: `script` of util-linux makes one. */
import { spawn, spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { onTestFinished } from 'vitest';
import { eventually } from '../await.js';
import { type CliOptions, stateEnvironment } from './cli.js';

const BIN = fileURLToPath(new URL('../../bin/atma-events.js', import.meta.url));

/** Whether there is such a program here; BSD's takes other arguments. */
export const terminalsToBeHad = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes(
  'util-linux',
);

export const KEYS = { enter: '\r', space: ' ', down: '\x1b[B', interrupt: '\x03' } as const;

export interface TerminalRun {
  /** Everything shown so far, without colours and cursor movements. */
  shown(): string;
  /** Resolves once `text` has been shown. */
  shows(text: string): Promise<void>;
  types(...keys: string[]): void;
  /** The exit code. */
  readonly ended: Promise<number | null>;
}

/** Starts the command; it is killed when the test ends. */
export function startOnTerminal(args: readonly string[], options: CliOptions = {}): TerminalRun {
  const quoted = [process.execPath, BIN, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const child = spawn(
    'script',
    [
      '--quiet',
      '--return',
      '--flush',
      '--command',
      `stty cols 160 rows 40; exec ${quoted.join(' ')}`,
      '/dev/null',
    ],
    {
      cwd: options.cwd ?? tmpdir(),
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        TERM: 'xterm',
        SHELL: '/bin/sh',
        ...stateEnvironment(options),
        ...options.env,
      },
      stdio: 'pipe',
    },
  );
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stdin.on('error', () => {}); // it may end before it has read everything
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const shown = () => stripVTControlCharacters(output);
  return {
    shown,
    async shows(text) {
      await eventually(`the terminal shows "${text}"`, () => {
        if (shown().includes(text)) return true;
        if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${shown()}`);
        return false;
      });
    },
    types(...keys) {
      for (const key of keys) child.stdin.write(key);
    },
    ended,
  };
}
