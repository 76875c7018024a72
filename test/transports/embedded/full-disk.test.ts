/** What a full disk does, with the broker in a process of its own. Anybody can run this; root also on a real small disk. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { bind, exchange, queue } from '../../../src/core/topology/model.js';
import type { Transport } from '../../../src/core/transport.js';
import { openDatabase } from '../../../src/storage/sqlite.js';
import { createEmbeddedTransport } from '../../../src/transports/embedded/index.js';
import { eventually } from '../../await.js';
import { type Child, killLeftovers, runLimited, runProgram } from './child.js';
import { brokenInvariants } from './invariants.js';
import { bodies, message, useScene } from './scene.js';

const scene = useScene();
const opened: Transport[] = [];
const mounted: string[] = [];
afterEach(async () => {
  await killLeftovers();
  await Promise.all(opened.splice(0).map((transport) => transport.close()));
  for (const folder of mounted.splice(0)) execFileSync('umount', ['-l', folder]);
});

/** A disk that the child's files fill, while those of this process find room. */
interface Disk {
  readonly path: string;
  runChild(...args: string[]): Child;
  fill(transport: Transport): Promise<void>;
  makeRoom(): Promise<void>;
}

/**
 * A limit on the size of files. New pages go to the end of the write-ahead log, which this process makes longer
 * than the child may write, or empties by a checkpoint.
 */
function limitedFiles(): Disk {
  const { path } = scene;
  const limitBytes = 2 * 1024 * 1024;
  return {
    path,
    runChild: (...args) => runLimited(limitBytes / 512, 'on-full-disk.mjs', path, ...args),
    fill: (transport) => transport.publish(message('', 'ballast', 'x'.repeat(limitBytes))),
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
  const folder = join(scene.folder, 'disk');
  const path = join(folder, 'broker.db');
  mkdirSync(folder);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', folder]);
  mounted.push(folder);
  return {
    path,
    runChild: (...args) => runProgram('on-full-disk.mjs', path, ...args),
    async fill() {
      spawnSync('dd', ['if=/dev/zero', `of=${join(folder, 'ballast')}`, 'bs=4k']);
    },
    async makeRoom() {
      execFileSync('mount', ['-o', 'remount,size=64m', folder]);
    },
  };
}

const DISKS: [string, () => Disk][] = [['where files may not grow further', limitedFiles]];
// Where it cannot be mounted there is nothing to skip: the first kind of disk has tested the same.
if (mountWorks()) DISKS.push(['of 6 MiB', smallDisk]);

describe.each(DISKS)('a full disk %s', (_, makeDisk) => {
  async function start(...args: string[]): Promise<{ disk: Disk; transport: Transport; child: Child }> {
    const disk = makeDisk();
    const transport = createEmbeddedTransport(disk.path);
    opened.push(transport);
    await transport.apply({
      exchanges: [exchange('dlx', 'fanout')],
      queues: [queue('q', { 'x-dead-letter-exchange': 'dlx' }), queue('dead'), queue('ballast')],
      bindings: bind('dlx', 'dead', ''),
    });
    const child = disk.runChild(...args);
    await child.printed('ready');
    return { disk, transport, child };
  }

  test('every confirmed message is there, the others were rejected, and it goes on once there is room', async () => {
    const { disk, transport, child } = await start();
    child.say('publish 400 32000');
    await child.printed('published');
    const confirmed = idsAfter(child, 'confirmed');
    const refused = child.lines.filter((line) => line.startsWith('refused '));
    expect(confirmed.length).toBeGreaterThan(0);
    expect(refused.length).toBeGreaterThan(0);
    expect(confirmed.length + refused.length).toBe(400);
    for (const line of refused) expect(line).toMatch(/^refused m\d+ storage .*Nothing was confirmed/);
    expect(await idsIn(transport, 'q')).toEqual(confirmed);
    await disk.makeRoom();
    child.say('publish 1 32000');
    await child.printed('confirmed m400');
    child.say('end');
    expect(await child.exited()).toBe(0);
    expect(await idsIn(transport, 'q')).toEqual([...confirmed, 'm400']);
    expect(brokenInvariants(disk.path)).toEqual([]);
  });

  test('a settlement that finds no room rejects and can be made again, and the consumer goes on by itself', async () => {
    const { disk, transport, child } = await start();
    for (const text of ['a', 'b', 'c', 'd', 'e', 'f']) await transport.publish(message('', 'q', text));
    child.say('consume q');
    await child.printed('delivered 2 c');
    // So that one of the three is held for the second time, which is noted elsewhere.
    child.say('requeue 2');
    await child.printed('delivered 3 c');
    await child.printed('requeue 2 settled');
    await disk.fill(transport);
    child.say('ack 0\nreject 1\nrequeue 3');
    await child.printed('requeue 3');
    child.say('ack 0');
    await eventually('it is answered again', () => idsAfter(child, 'ack').length === 2);
    const refused = ['ack 0 storage', 'reject 1 storage', 'requeue 3 storage'];
    expect(linesAfter(child, 'delivered 3', 'requeue 2').toSorted()).toEqual(
      [...refused, 'ack 0 storage', 'notice blocked'].toSorted(),
    );

    await disk.makeRoom();
    child.say('reject 1\nack 0\nrequeue 3');
    await child.printed('delivered 6');
    expect(linesAfter(child, 'ack 0 storage').toSorted()).toEqual(
      [
        ...['ack 0 settled', 'reject 1 settled', 'requeue 3 settled', 'notice unblocked'],
        ...['delivered 4 c', 'delivered 5 d', 'delivered 6 e'],
      ].toSorted(),
    );
    child.say('ack 0\nack 4\nack 5\nack 6');
    await child.printed('delivered 7 f');
    child.say('ack 7\nend');
    expect(await child.exited()).toBe(0);
    expect(child.lines).toContain('ack 0 usage');
    expect(await transport.counts('q')).toEqual({ ready: 0, consumers: 0 });
    expect(await bodies(transport.browse('dead'))).toEqual(['b']);
    expect(brokenInvariants(disk.path)).toEqual([]);
  });

  test('synchronising a settlement that finds no room rejects, and is settled once that was made again', async () => {
    const { disk, transport, child } = await start();
    await transport.publish(message('', 'q', 'a'));
    child.say('consume q');
    await child.printed('delivered 0 a');
    await disk.fill(transport);
    child.say('ack 0\nsynchronise');
    await child.printed('synchronise storage');
    await disk.makeRoom();
    child.say('ack 0\nsynchronise');
    await child.printed('synchronise settled');
    child.say('end');
    expect(await child.exited()).toBe(0);
    expect(await transport.counts('q')).toEqual({ ready: 0, consumers: 0 });
  });

  test('a notice handler that throws is uncaught, and the consumer goes on all the same', async () => {
    const { disk, transport, child } = await start('throwing');
    for (const text of ['a', 'b', 'c', 'd']) await transport.publish(message('', 'q', text));
    child.say('consume q');
    await child.printed('delivered 2 c');
    await disk.fill(transport);
    child.say('ack 0');
    await child.printed('uncaught blocked');
    await child.printed('ack 0 storage');
    await disk.makeRoom();
    child.say('ack 0');
    await child.printed('uncaught unblocked');
    await child.printed('delivered 3 d');
    child.say('end');
    expect(await child.exited()).toBe(0);
    expect(child.lines).toContain('ack 0 settled');
  });

  test('a consumer that could not close for want of room can be closed later, and gives back what it held', async () => {
    const { disk, transport, child } = await start();
    for (const text of ['a', 'b']) await transport.publish(message('', 'q', text));
    child.say('consume q');
    await child.printed('delivered 1 b');
    await disk.fill(transport);
    child.say('close');
    await child.printed('close storage');
    await disk.makeRoom();
    child.say('close');
    await child.printed('close done');
    expect(await transport.counts('q')).toEqual({ ready: 2, consumers: 0 });
    child.say('ack 0');
    await child.printed('ack 0 lost');
    child.say('end');
    expect(await child.exited()).toBe(0);
    expect(brokenInvariants(disk.path)).toEqual([]);
  });

  test('a transport closes on it, and what is settled afterwards opens nothing again', async () => {
    const { disk, transport, child } = await start();
    await transport.publish(message('', 'q', 'a'));
    child.say('consume q');
    await child.printed('delivered 0 a');
    await disk.fill(transport);
    child.say('close-transport');
    await child.printed('close-transport done');
    child.say('ack 0');
    await child.printed('ack 0 closed');
    child.say('end');
    expect(await child.exited()).toBe(0);
    await disk.makeRoom();
    expect(await transport.counts('q')).toEqual({ ready: 1, consumers: 0 });
    expect(brokenInvariants(disk.path)).toEqual([]);
  });
});

/** The second word of each line that begins so. */
function idsAfter(child: Child, start: string): string[] {
  return child.lines.filter((line) => line.startsWith(`${start} `)).map((line) => line.split(' ')[1] ?? '');
}

/** What was printed after the last line that begins in one of these ways. */
function linesAfter(child: Child, ...starts: string[]): readonly string[] {
  const last = child.lines.findLastIndex((line) => starts.some((start) => line.startsWith(start)));
  return child.lines.slice(last + 1);
}

async function idsIn(transport: Transport, name: string): Promise<string[]> {
  return (await bodies(transport.browse(name))).map((body) => body.trim());
}

function mountWorks(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const folder = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
  const works = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status === 0;
  if (works) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true });
  return works;
}
