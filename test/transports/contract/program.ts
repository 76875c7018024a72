/** Test programs run as processes of their own, so that they can be killed like any service. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../await.js';

export interface Program {
  /** What it printed on stdout so far, by line. */
  readonly lines: readonly string[];
  /** Resolves once it printed `line`; fails early when it ended instead. */
  printed(line: string): Promise<void>;
  /** SIGKILL; resolves when the process is gone and all it wrote has been read. */
  kill(): Promise<void>;
  /** Resolves with its exit code when it ends by itself. */
  readonly ended: Promise<number | null>;
}

export function startProgram(file: string, args: readonly string[]): Program {
  const path = fileURLToPath(new URL(`../programs/${file}`, import.meta.url));
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(process.execPath, [path, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  let complaints = '';
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaints += chunk;
  });
  let gone = false;
  const ended = once(child, 'close').then(([code]: (number | null)[]) => {
    gone = true;
    return code ?? null;
  });
  return {
    lines,
    ended,
    async printed(line) {
      await eventually(
        `${file} prints ${line}`,
        () => {
          if (!lines.includes(line) && gone) return 'ended';
          return lines.includes(line) && 'printed';
        },
        { withinMs: 20_000 },
      );
      if (!lines.includes(line)) throw new Error(`${file} ended without printing ${line}: ${complaints}`);
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export async function killPrograms(programs: readonly Program[]): Promise<void> {
  await Promise.all(programs.map((program) => program.kill()));
}
