/** The command line as a whole process: what it prints, how long it takes, and its peak of memory. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { neutralEnvironment } from './child.mjs';

export const BIN = fileURLToPath(new URL('../bin/atma-events.js', import.meta.url));
/** Writes the process's own peak to a file when it ends; the system measures it anyway. */
const HOOK = new URL('./peak-memory.mjs', import.meta.url).href;

/**
 * Runs it in the directory; `elapsed` is in milliseconds, from the start of the process to its end. Any other exit code than
 * those that are expected is an error.
 */
export async function measureCli(directory, args, defer, expected = [0]) {
  const peakFile = join(directory, 'peak');
  const begun = performance.now();
  const child = spawn(process.execPath, ['--import', HOOK, BIN, ...args], {
    cwd: directory,
    env: { ...neutralEnvironment(), BENCH_PEAK_FILE: peakFile },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  defer(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  });
  let out = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  const [code] = await once(child, 'close');
  if (!expected.includes(code)) throw new Error(`${args.join(' ')} exited with ${code}: ${out}${errors}`);
  return { out, elapsed: performance.now() - begun, peakBytes: Number(readFileSync(peakFile, 'utf8')) };
}
