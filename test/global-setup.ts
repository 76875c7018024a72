/** Runs once per vitest run: programs that tests start as processes need an up-to-date dist. */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { openSharedBrokerDesk } from './brokers/shared.js';

const root = fileURLToPath(new URL('..', import.meta.url));

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  if (newest(join(root, 'src')) > oldest(join(root, 'dist'))) compile();
  return openSharedBrokerDesk(project);
}

/** Deletes nothing before its successor is there: another run beside this one may be using it. */
function compile(): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts', 'build.mjs')], {
    encoding: 'utf8',
  });
  if (status !== 0) process.stderr.write(`src does not compile; dist may be stale:\n${stdout}${stderr}\n`);
}

function newest(folder: string): number {
  return Math.max(...modificationTimes(folder), 0);
}

function oldest(folder: string): number {
  const times = modificationTimes(folder);
  return times.length === 0 ? 0 : Math.min(...times);
}

function modificationTimes(folder: string): number[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs);
  } catch {
    return []; // not built yet
  }
}
