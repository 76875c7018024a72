/** `publish --from` of a file with a million lines: peak memory, and the rate. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { neutralEnvironment } from './child.mjs';
import { eventData, TYPE } from './events.mjs';

const BIN = fileURLToPath(new URL('../bin/atma-events.js', import.meta.url));
/** Writes the process's own peak to a file when it ends; the system measures it anyway. */
const HOOK = new URL('./peak-memory.mjs', import.meta.url).href;
const LIMIT_MB = 200;

export async function measureMillion({ quick, folder, defer, log }) {
  const lines = quick ? 200_000 : 1_000_000;
  const directory = join(folder, 'million');
  mkdirSync(directory);
  await writeLines(join(directory, 'events.jsonl'), lines);
  log(`million: ${lines.toLocaleString('en')} lines written`);
  const setup = spawnSync(process.execPath, [BIN, 'setup', '--yes'], {
    cwd: directory,
    env: neutralEnvironment(),
    encoding: 'utf8',
  });
  if (setup.status !== 0) throw new Error(`setup exited with ${setup.status}: ${setup.stderr}`);

  const begun = performance.now();
  const { report, peakBytes } = await publishFile(directory, defer);
  const seconds = (performance.now() - begun) / 1_000;
  if (report.confirmed !== lines) throw new Error(`not all were confirmed: ${JSON.stringify(report)}`);
  return [
    {
      bench: 'million',
      what: `publish --from ${lines.toLocaleString('en')} lines, embedded, peak memory`,
      unit: ' MB',
      ours: peakBytes / 1e6,
      goal: { on: 'ours', is: 'under', value: LIMIT_MB },
    },
    {
      bench: 'million',
      what: `publish --from ${lines.toLocaleString('en')} lines, embedded, 2 queues, whole process`,
      unit: '/s',
      ours: lines / seconds,
    },
  ];
}

async function publishFile(directory, defer) {
  const peakFile = join(directory, 'peak');
  const args = ['--import', HOOK, BIN, 'publish', '--from', 'events.jsonl', '--json', '--no-input'];
  const child = spawn(process.execPath, args, {
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
  if (code !== 0) throw new Error(`publish --from exited with ${code}: ${out}${errors}`);
  return { report: JSON.parse(out), peakBytes: Number(readFileSync(peakFile, 'utf8')) };
}

async function writeLines(file, lines) {
  const stream = createWriteStream(file);
  const events = eventData(1_000).map((data) =>
    JSON.stringify({ eventType: TYPE, timestamp: new Date().toISOString(), ...data }),
  );
  const block = `${events.join('\n')}\n`;
  for (let written = 0; written < lines; written += events.length) {
    if (!stream.write(block)) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'finish');
}
