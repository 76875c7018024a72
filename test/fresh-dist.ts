/** Programs that tests start as processes run from dist, so that must be what src says. */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Builds dist where src is newer. Throws when src does not compile: the tests would run, and maybe pass, on old
 * code.
 */
export function freshenDist(root: string): void {
  if (newest(join(root, 'src')) <= oldest(join(root, 'dist'))) return;
  // Deletes nothing before its successor is there: another run beside this one may be using it.
  const build = [join(root, 'scripts', 'build.mjs')];
  const { status, stdout, stderr } = spawnSync(process.execPath, build, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`src does not compile, and dist is older:\n${stdout}${stderr}`);
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
