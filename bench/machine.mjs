/** What the figures were measured with. */
import { readFileSync, statfsSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';

const PACKAGES = ['amqplib', 'better-sqlite3', 'zod'];
/** Linux's magic number of tmpfs: a file system on which flushing to disk costs nothing. */
const TMPFS = 0x01021994;

export function describeMachine() {
  return {
    system: `${type()} ${release()} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 1e9),
    // Above what is being measured, something else is running.
    loadBefore: Number(loadavg()[0].toFixed(2)),
  };
}

/** Versions of what takes part; RabbitMQ's is added when it has been asked. */
export function versionsHere() {
  const versions = { 'atma-events': manifest('..').version, node: process.versions.node };
  for (const name of PACKAGES) {
    try {
      versions[name] = manifest(`../node_modules/${name}`).version;
    } catch {
      versions[name] = 'not installed'; // an optional dependency
    }
  }
  // From Node 22.13 on the embedded broker uses the SQLite that Node brings.
  if (process.versions.sqlite !== undefined) versions['sqlite of node'] = process.versions.sqlite;
  return versions;
}

/** "On disk" is a claim that needs one. */
export function requireDisk(folder) {
  if (process.platform !== 'linux' || statfsSync(folder).type !== TMPFS) return;
  throw new Error(
    `${folder} is in memory (tmpfs), where nothing is ever flushed: set TMPDIR to a folder on a disk`,
  );
}

function manifest(folder) {
  return JSON.parse(readFileSync(new URL(`${folder}/package.json`, import.meta.url), 'utf8'));
}
