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

const running = new Set<Child>();

/** A test that fails must not leave its processes behind. */
export async function killLeftovers(): Promise<void> {
  await Promise.all([...running].map((child) => child.kill()));
}

export function runProgram(name: string, ...args: string[]): Child {
  return run(name, process.execPath, [programPath(name), ...args]);
}

/** The same with a limit on the size of every file it writes, in blocks of 512 bytes: a full disk for anybody. */
export function runLimited(blocks: number, name: string, ...args: string[]): Child {
  const script = 'ulimit -f "$0"; exec "$@"';
  return run(name, 'sh', ['-c', script, `${blocks}`, process.execPath, programPath(name), ...args]);
}

/** A program of this folder by its name, one of another by its file: URL. */
function programPath(name: string): string {
  return fileURLToPath(new URL(name, new URL('./programs/', import.meta.url)));
}

function run(name: string, command: string, args: readonly string[]): Child {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
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
  const handle: Child = {
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
  running.add(handle);
  void closed.then(() => running.delete(handle));
  return handle;
}
