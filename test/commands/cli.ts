/** Runs the built command as a process of its own, as a person or a script does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { eventually } from '../await.js';

const BIN = fileURLToPath(new URL('../../bin/atma-events.js', import.meta.url));

export interface CliResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly input?: string | Buffer;
}

export interface RunningCli {
  readonly child: ChildProcess;
  readonly ended: Promise<CliResult>;
  stdout(): string;
  stderr(): string;
  /** Resolves once stderr holds `text`. */
  says(text: string): Promise<void>;
}

/** Starts the command; it is killed when the test ends. */
export function startCli(args: readonly string[], options: CliOptions = {}): RunningCli {
  return startProgram([BIN, ...args], options);
}

/** Starts a program with Node; it is killed when the test ends. */
export function startProgram(args: readonly string[], options: CliOptions = {}): RunningCli {
  const child = spawn(process.execPath, args, {
    cwd: options.cwd ?? tmpdir(),
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...stateEnvironment(options), ...options.env },
    stdio: 'pipe',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.on('error', () => {}); // it may end before it has read everything
  if (options.input !== undefined) child.stdin.end(options.input);
  const ended = new Promise<CliResult>((resolve) => {
    child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    child,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    async says(text) {
      await eventually(`stderr holds "${text}"`, () => {
        if (stderr.includes(text)) return true;
        if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${stdout}${stderr}`);
        return false;
      });
    },
  };
}

/** Runs the command to its end. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(args, { input: '', ...options }).ended;
}

let sharedState: string | undefined;

/** Ledgers of tests are their own, never the user's: in the folder of the run, where that is not everybody's. */
export function stateEnvironment({ cwd }: CliOptions): { readonly XDG_STATE_HOME: string } {
  if (cwd !== undefined) return { XDG_STATE_HOME: cwd };
  if (sharedState === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'atma-state-'));
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    sharedState = folder;
  }
  return { XDG_STATE_HOME: sharedState };
}

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'atma-cli-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
