import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { requireWritable, writeWhole } from '../../src/storage/whole-file.js';
import { temporaryFolder } from '../commands/cli.js';

describe('a file written whole', () => {
  it('takes the place of what was there, in one step, and leaves nothing beside it', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'report.html');
    writeFileSync(path, 'of yesterday');
    const before = statSync(path).ino;
    writeWhole(path, 'new');
    expect(readFileSync(path, 'utf8')).toBe('new');
    // Another file: whoever had the old one open goes on reading the old one.
    expect(statSync(path).ino).not.toBe(before);
    expect(readdirSync(folder)).toEqual(['report.html']);
  });

  it('into a folder that is not there makes none, and says so', () => {
    const folder = temporaryFolder();
    expect(() => writeWhole(join(folder, 'missing', 'report'), 'x')).toThrowError(/^Cannot write /);
    expect(existsSync(join(folder, 'missing'))).toBe(false);
  });

  it('that the disk has no room for leaves what was there, and nothing beside it', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'report.html');
    writeFileSync(path, 'of yesterday');
    // A limit on the size of files (512 bytes), as a full disk has one; it ends a process that does not ignore the signal.
    const program = `process.on('SIGXFSZ', () => {});
      const { writeWhole } = await import(process.argv[1]);
      try { writeWhole(process.argv[2], 'x'.repeat(100_000)); } catch (error) { console.log(error.code, error.message); }`;
    const built = fileURLToPath(new URL('../../dist/storage/whole-file.js', import.meta.url));
    const node = `ulimit -f 1; exec '${process.execPath}' --input-type=module -e "$1" "$2" "$3"`;
    const { stdout, stderr } = spawnSync('sh', ['-c', node, 'sh', program, built, path], {
      encoding: 'utf8',
    });
    expect(stdout, stderr).toBe(`storage Cannot write ${path}\n`);
    expect(readdirSync(folder)).toEqual(['report.html']);
    expect(readFileSync(path, 'utf8')).toBe('of yesterday');
  });

  it('goes into a device as it is', () => {
    writeWhole('/dev/null', 'x');
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });
});

describe('a path that is to be written', () => {
  it('is no folder, and its folder is there and allows it', () => {
    const folder = temporaryFolder();
    requireWritable(join(folder, 'report'));
    requireWritable('/dev/null');
    expect(() => requireWritable(folder)).toThrowError(/is a folder$/);
    expect(() => requireWritable(join(folder, 'missing', 'report'))).toThrowError(/^Cannot write /);
    const locked = join(folder, 'locked');
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    // The superuser may write anywhere.
    if (process.getuid?.() !== 0)
      expect(() => requireWritable(join(locked, 'report'))).toThrowError(/^Cannot write /);
  });
});
