/** Real child processes that run the programs of this folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../await.js';

export interface Child {
  /** Complete lines printed so far. */
  readonly lines: readonly string[];
  readonly process: ChildProcess;
  /** Resolves once a line begins with `start`, with that line. */
  printed(start: string): Promise<string>;
  say(line: string): void;
  /** SIGKILL; resolves when the process is gone and all it printed has been read. */
  kill(): Promise<void>;
  /** Resolves with the exit code when it ends by itself. */
  exited(): Promise<number | null>;
}

export function runProgram(name: string, ...args: string[]): Child {
  const program = fileURLToPath(new URL(`./programs/${name}`, import.meta.url));
  const child = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines: string[] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  const closed = once(child, 'close');
  // Writing to a program that was killed meanwhile is no failure of the test.
  child.stdin.on('error', () => undefined);
  return {
    lines,
    process: child,
    printed: (start) =>
      eventually(`${name} prints ${start}`, () => lines.find((line) => line.startsWith(start))),
    say: (line) => void child.stdin.write(`${line}\n`),
    async kill() {
      child.kill('SIGKILL');
      await closed;
    },
    async exited() {
      await closed;
      return child.exitCode;
    },
  };
}
