/** Wall time of whole processes, from spawn to exit: what a script pays for each call. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { neutralEnvironment } from './child.mjs';
import { comparePairs } from './stats.mjs';

const BIN = fileURLToPath(new URL('../bin/atma-events.js', import.meta.url));
const BARE = ['-e', '0'];
const VERSION = [BIN, '--version'];
const PUBLISH = [BIN, 'publish', 'analysis.completed', '--sample'];
const WARM_UP = 2;

export async function measureStart({ quick, folder, log }) {
  const pairs = quick ? 15 : 31;
  const directory = join(folder, 'start');
  mkdirSync(directory);
  timeOf([BIN, 'setup', '--yes'], directory);
  const times = { bare: [], version: [], publish: [] };
  for (let round = -WARM_UP; round < pairs; round++) {
    const bare = timeOf(BARE, directory);
    const version = timeOf(VERSION, directory);
    const publish = timeOf(PUBLISH, directory);
    if (round < 0) continue;
    times.bare.push(bare);
    times.version.push(version);
    times.publish.push(publish);
  }
  log(`start: ${pairs} starts of each`);
  const row = (what, series, value) => ({
    bench: 'start',
    what,
    unit: ' ms',
    rivalName: 'node -e 0',
    ...comparePairs(series, times.bare),
    goal: { on: 'ratio', is: 'at most', value },
  });
  return [
    row('process: --version', times.version, 1.3),
    row('process: publish one event, embedded', times.publish, 3),
  ];
}

function timeOf(args, directory) {
  const begun = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd: directory,
    env: neutralEnvironment(),
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const elapsed = performance.now() - begun;
  if (status !== 0) throw new Error(`node ${args.join(' ')} exited with ${status}: ${stderr}`);
  return elapsed;
}
