/** A proxy in a process of its own, run from dist: its memory and its end are what is looked at. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { eventually } from '../await.js';

const PROGRAM = fileURLToPath(new URL('./programs/proxy.mjs', import.meta.url));

export async function startProxyProcess(
  args: { upstream: string; drainMs?: number },
  env: Record<string, string> = {},
) {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(args)], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines: Record<string, unknown>[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const line = (key: string, count = 1) =>
    eventually(
      `${count} × ${key}`,
      () => {
        const found = lines.filter((candidate) => key in candidate);
        return found.length >= count && found.at(-1)?.[key];
      },
      { withinMs: 30_000 },
    );
  const port = Number(await line('port'));
  let asked = 0;
  return {
    port,
    lines,
    line,
    ended,
    child,
    /** Largest resident size so far, in MB. */
    async peakMB() {
      child.stdin.write('memory\n');
      asked++;
      return Number(await line('peakKB', asked)) / 1024;
    },
    async stop() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
