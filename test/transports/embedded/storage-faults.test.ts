import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { queue } from '../../../src/core/topology/model.js';
import type { Delivery, Transport, TransportNotice } from '../../../src/core/transport.js';
import { openDatabase } from '../../../src/storage/sqlite.js';
import { createEmbeddedTransport } from '../../../src/transports/embedded/index.js';
import { eventually } from '../../await.js';
import { bodies, message, useScene } from './scene.js';

const scene = useScene();
const ONE_QUEUE = { exchanges: [], queues: [queue('q')], bindings: [] };

describe('a path that cannot be a broker file', () => {
  test('a folder is refused with a hint', async () => {
    mkdirSync(scene.path);
    await expect(scene.open().open()).rejects.toMatchObject({
      code: 'storage',
      hint: expect.stringContaining('must be a file'),
    });
  });

  test.each([
    ['inside a file', () => join(scene.path, 'broker.db'), 'must be a file'],
    ['with a name too long', () => join(scene.folder, 'x'.repeat(300)), 'must be a file'],
  ])('a path %s is refused with a hint', async (_, path, hint) => {
    writeFileSync(scene.path, '');
    await expect(createEmbeddedTransport(path()).open()).rejects.toMatchObject({
      code: 'storage',
      hint: expect.stringContaining(hint),
    });
  });

  test('a file of something else is refused, and left as it was', async () => {
    const content = 'this is not a database, however long it may be. '.repeat(100);
    writeFileSync(scene.path, content);
    await expect(scene.open().apply(ONE_QUEUE)).rejects.toMatchObject({ code: 'storage' });
    expect(readFileSync(scene.path, 'utf8')).toBe(content);
  });

  test('the database of another program is refused', async () => {
    const other = openDatabase(scene.path);
    other.exec('CREATE TABLE theirs (x)');
    other.close();
    await expect(scene.open().open()).rejects.toMatchObject({
      code: 'storage',
      message: expect.stringContaining('another program'),
    });
  });

  test('a broker file of a newer version is refused by name of the format', async () => {
    await scene.open().apply(ONE_QUEUE);
    const newer = openDatabase(scene.path, { busyTimeoutMs: 1_000 });
    newer.exec('PRAGMA user_version = 99');
    newer.close();
    await expect(scene.open().open()).rejects.toMatchObject({
      code: 'storage',
      message: expect.stringContaining('newer atma-events (format 99)'),
    });
  });
});

test('looking at what does not exist creates no file', async () => {
  const transport = scene.open();
  expect((await transport.inspect(ONE_QUEUE)).queues).toEqual([{ state: 'absent' }]);
  expect(await transport.counts('q')).toBeUndefined();
  await expect(bodies(transport.browse('q'))).rejects.toMatchObject({ code: 'queue-missing' });
  await transport.close();
  expect(() => readFileSync(scene.path)).toThrow('ENOENT');
});

const isRoot = process.getuid?.() === 0;
const canMount = isRoot && process.platform === 'linux' && mountWorks();

const mounted: string[] = [];
const opened: Transport[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((transport) => transport.close()));
  for (const folder of mounted.splice(0)) execFileSync('umount', ['-l', folder]);
});

describe.skipIf(!canMount)(
  `a full disk${canMount ? '' : ' (SKIPPED: needs root to mount a small one)'}`,
  () => {
    test('every confirmed message is there, the others were rejected, and it goes on once there is room', async () => {
      const disk = mountSmallDisk(join(scene.folder, 'disk'), '6m');
      const path = join(disk, 'broker.db');
      const transport = createEmbeddedTransport(path);
      opened.push(transport);
      await transport.apply(ONE_QUEUE);
      const ids = Array.from({ length: 400 }, (_, index) => `m${index}`);
      const filler = 'x'.repeat(32_000);
      const outcomes = await Promise.allSettled(
        chunked(ids, 20).map(async (chunk, turn) => {
          // One group after the other, so that some fit and some do not.
          for (let waited = 0; waited < turn; waited++) await new Promise(setImmediate);
          const results = await Promise.allSettled(
            chunk.map((id) => transport.publish(message('', 'q', `${id} ${filler}`))),
          );
          return results.map((result, index) => ({ id: chunk[index], result }));
        }),
      );
      const all = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
      const confirmed = all.filter(({ result }) => result.status === 'fulfilled').map(({ id }) => id);
      const refused = all.flatMap(({ result }) => (result.status === 'rejected' ? [result.reason] : []));
      expect(confirmed.length).toBeGreaterThan(0);
      expect(refused.length).toBeGreaterThan(0);
      expect(all).toHaveLength(ids.length);
      for (const reason of refused) {
        expect(reason).toMatchObject({
          code: 'storage',
          hint: expect.stringContaining('Nothing was confirmed'),
        });
      }
      const kept = (await bodies(transport.browse('q'))).map((body) => body.split(' ')[0]);
      expect(kept).toEqual(confirmed);

      execFileSync('mount', ['-o', 'remount,size=64m', disk]);
      await transport.publish(message('', 'q', 'there is room again'));
      expect((await transport.counts('q'))?.ready).toBe(confirmed.length + 1);
    });

    test('an ack that finds no room rejects, tells that it is blocked, and can be made again', async () => {
      const disk = mountSmallDisk(join(scene.folder, 'disk'), '6m');
      const notices: TransportNotice['kind'][] = [];
      const transport = createEmbeddedTransport(join(disk, 'broker.db'), {
        onNotice: ({ kind }) => notices.push(kind),
      });
      opened.push(transport);
      await transport.apply(ONE_QUEUE);
      await transport.publish(message('', 'q', 'one'));
      await transport.publish(message('', 'q', 'two'));
      const deliveries: Delivery[] = [];
      await transport.consume('q', { prefetch: 1 }, (one) => deliveries.push(one));
      await eventually('one is delivered', () => deliveries.length === 1);
      const ballast = join(disk, 'ballast');
      fillUp(ballast);
      await expect(deliveries[0]?.ack()).rejects.toMatchObject({ code: 'storage' });
      expect(notices).toEqual(['blocked']);
      rmSync(ballast);
      expect(await deliveries[0]?.ack()).toBe('settled');
      await eventually('two is delivered', () => deliveries.length === 2);
      expect(notices).toEqual(['blocked', 'unblocked']);
    });
  },
);

test('a file that may not grow rejects what does not fit, and keeps what did', async () => {
  const transport = scene.open();
  await transport.apply(ONE_QUEUE);
  // The second way to fill a disk, where nothing can be mounted: a file size limit of the shell.
  const program = `
    import { open } from ${JSON.stringify(new URL('./programs/open.mjs', import.meta.url).href)};
    const transport = open(${JSON.stringify(scene.path)});
    let confirmed = 0, refused = 0;
    for (let i = 0; i < 60; i++) {
      await transport.publish({ exchange: '', routingKey: 'q', body: Buffer.alloc(100_000), properties: {} })
        .then(() => confirmed++, (error) => { if (error.code === 'storage') refused++; });
    }
    console.log(JSON.stringify({ confirmed, refused }));
    process.exit(0);`;
  const { stdout } = spawnSync(
    'sh',
    ['-c', `trap '' XFSZ; ulimit -f 4000; exec ${process.execPath} --input-type=module`],
    { input: program, encoding: 'utf8' },
  );
  const { confirmed, refused } = JSON.parse(stdout) as { confirmed: number; refused: number };
  expect(confirmed).toBeGreaterThan(0);
  expect(refused).toBeGreaterThan(0);
  expect(await transport.counts('q')).toMatchObject({ ready: confirmed });
});

function mountWorks(): boolean {
  const folder = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
  const works = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status === 0;
  if (works) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true });
  return works;
}

function mountSmallDisk(folder: string, size: string): string {
  mkdirSync(folder);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]);
  mounted.push(folder);
  return folder;
}

/** Takes all the room that is left. */
function fillUp(file: string): void {
  spawnSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=4k']);
}

function chunked<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
