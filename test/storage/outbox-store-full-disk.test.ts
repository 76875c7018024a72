/** What a full disk does to an outbox in a process of its own. Anybody can run this; root also on a real small disk. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { openDatabase } from '../../src/storage/sqlite.js';
import { eventually, within } from '../await.js';
import { outboxPath } from '../core/publishing/outbox-scene.js';
import { type Child, killLeftovers, runLimited, runProgram } from '../transports/embedded/child.js';

const PROGRAM = new URL('./programs/outbox-on-full-disk.mjs', import.meta.url).href;
const LIMIT_BYTES = 4 * 1024 * 1024;

const mounted: string[] = [];
afterEach(async () => {
  await killLeftovers();
  for (const folder of mounted.splice(0)) {
    execFileSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true });
  }
});

/** A disk on which a child runs out of room, and how to make some. */
interface Disk {
  readonly child: Child;
  makeRoom(): Promise<void> | void;
}

/** A limit on the size of files: the log is full when it has that, and the file with it. This process may do more. */
function limitedFiles(): Disk {
  const path = outboxPath();
  return {
    child: runLimited(LIMIT_BYTES / 512, PROGRAM, path),
    async makeRoom() {
      const database = openDatabase(path, { busyTimeoutMs: 1_000 });
      await eventually('the log is empty', () => {
        const [busy] = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() ?? [];
        return busy === 0;
      });
      database.close();
    },
  };
}

function smallDisk(): Disk {
  const folder = mkdtempSync(join(tmpdir(), 'atma-small-disk-'));
  mount(folder, 'size=8m');
  mounted.push(folder);
  return {
    child: runProgram(PROGRAM, join(folder, 'outbox.db')),
    makeRoom: () => void mount(folder, 'remount,size=64m'),
  };
}

const DISKS: [string, () => Disk][] = [['where files may not grow further', limitedFiles]];
// Where it cannot be mounted there is nothing to skip: the first kind of disk has tested the same.
if (mountWorks()) DISKS.push(['of 8 MiB', smallDisk]);

describe.each(DISKS)('a full disk %s', (_, start) => {
  test('refuses what finds no room, keeps the rest, and sends that although nothing can be removed', async () => {
    const { child, makeRoom } = start();
    await child.printed('ready');
    child.say('publish 3000 8000');
    await child.printed('done');
    const published = wordsAfter(child, 'published');
    const refused = child.lines.filter((line) => line.startsWith('refused '));
    expect(published.length).toBeGreaterThan(100);
    expect(published.length + refused.length).toBe(3_000);
    expect(refused.length).toBeGreaterThan(100);
    for (const line of refused) expect(line).toMatch(/^refused m\d+ storage .*Nothing was confirmed/);
    child.say('state');
    expect(await child.printed('waiting')).toBe(`waiting ${published.length}`);
    child.say('send');
    await eventually('all is sent', () => wordsAfter(child, 'took').length === published.length);
    await child.printed('trouble remove storage');
    expect(wordsAfter(child, 'took')).toEqual(published);
    await makeRoom();
    await child.printed('drained');
    child.say('publish 20 8000');
    await child.printed('published m3019');
    child.say('end');
    expect(await within('it ends', child.exited())).toBe(0);
    expect(wordsAfter(child, 'took').slice(published.length)).toHaveLength(20);
  });
});

function wordsAfter(child: Child, start: string): string[] {
  return child.lines.filter((line) => line.startsWith(`${start} `)).map((line) => line.split(' ')[1] ?? '');
}

function mount(folder: string, options: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]).status === 0;
}

function mountWorks(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const folder = mkdtempSync(join(tmpdir(), 'atma-mount-'));
  const works = mount(folder, 'size=1m');
  if (works) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true });
  return works;
}
