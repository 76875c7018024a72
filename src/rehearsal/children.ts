/**
 * Processes that a rehearsal starts. Each is the head of a group of its own, so that Ctrl-C reaches the rehearsal alone, which
 * then ends them in order; and none outlives it, whatever ends it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { EventsError } from '../core/errors.js';
import type { Environment } from '../presets/preset.js';

export interface ChildPlan {
  /** For people: `notification-service`, `flag set live`. */
  readonly name: string;
  /** What Node runs, with its arguments. */
  readonly args: readonly string[];
  readonly directory: string;
  readonly environment: Environment;
  readonly onStdout?: (line: string) => void;
  readonly onStderr?: (line: string) => void;
  /** Both streams are appended to it. */
  readonly log?: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Child {
  readonly name: string;
  /** Resolves when it has ended and everything that it wrote was read. */
  readonly exited: Promise<Exit>;
  hasExited(): boolean;
  /** Of the whole group. Nothing when it has ended. */
  kill(signal: NodeJS.Signals): void;
}

export interface Children {
  start(plan: ChildPlan): Child;
  /** SIGKILL for all, and waits until they are gone. */
  killAll(): Promise<void>;
}

/** A rehearsal that was killed can end nobody: each looks every second whether its parent is still the one it had. */
const ORPHANS_END = `data:text/javascript,${encodeURIComponent(`
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || process.kill(process.pid, 'SIGKILL'), 1000).unref();
`)}`;

export function createChildren(): Children {
  const running = new Map<Child, ChildProcess>();
  // A second Ctrl-C ends this process at once: what it has started must not stay behind.
  const atExit = () => {
    for (const process of running.values()) signalGroup(process, 'SIGKILL');
  };
  process.once('exit', atExit);

  return {
    start(plan) {
      const child = spawn(process.execPath, ['--import', ORPHANS_END, ...plan.args], {
        cwd: plan.directory,
        env: { ...plan.environment },
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
      });
      const log =
        plan.log === undefined ? undefined : createWriteStream(plan.log, { flags: 'a', mode: 0o600 });
      log?.on('error', () => {}); // a log that cannot be written changes nothing about what is rehearsed
      const follow = (stream: NodeJS.ReadableStream, listen: ((line: string) => void) | undefined) =>
        createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
          log?.write(`${line}\n`);
          listen?.(line);
        });
      follow(child.stdout, plan.onStdout);
      follow(child.stderr, plan.onStderr);
      const exited = new Promise<Exit>((resolve, reject) => {
        child.once('error', (error) =>
          reject(new EventsError('storage', `Cannot start ${plan.name}: ${error.message}`, { cause: error })),
        );
        child.once('close', (code, signal) => resolve({ code, signal }));
      });
      const own: Child = {
        name: plan.name,
        exited,
        hasExited: () => child.exitCode !== null || child.signalCode !== null,
        kill: (signal) => signalGroup(child, signal),
      };
      running.set(own, child);
      const forget = () => {
        running.delete(own);
        log?.end();
      };
      exited.then(forget, forget);
      return own;
    },
    async killAll() {
      const all = [...running.keys()];
      for (const child of all) child.kill('SIGKILL');
      await Promise.allSettled(all.map(({ exited }) => exited));
      process.removeListener('exit', atExit);
    },
  };
}

function signalGroup({ pid, exitCode, signalCode }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // it ended just now
  }
}
