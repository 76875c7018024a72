import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { replaceFile } from '../../src/storage/replace-file.js';
import { temporaryFolder } from '../commands/cli.js';

describe('a file that gets another content', () => {
  it('is replaced in one step: who had it open goes on reading the old one, and nothing is left beside it', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'flags.json');
    writeFileSync(path, 'old');
    const before = statSync(path).ino;
    const steps: [string, string][] = [];
    replaceFile(path, 'new', { step: (step) => steps.push([step, readFileSync(path, 'utf8')]) });
    expect(steps).toEqual([
      ['beside', 'old'],
      ['renamed', 'new'],
      ['flushed', 'new'],
    ]);
    expect(statSync(path).ino).not.toBe(before);
    expect(readdirSync(folder)).toEqual(['flags.json']);
  });

  it('keeps its mode, whatever the umask', () => {
    const path = join(temporaryFolder(), 'file');
    for (const mode of [0o600, 0o664, 0o444]) {
      writeFileSync(path, 'old', { flag: 'a' });
      chmodSync(path, mode);
      replaceFile(path, Buffer.from([0, 255]));
      expect(statSync(path).mode & 0o777).toBe(mode);
      expect(readFileSync(path)).toEqual(Buffer.from([0, 255]));
      chmodSync(path, 0o600);
    }
  });

  it('may be new', () => {
    const path = join(temporaryFolder(), 'file');
    replaceFile(path, 'new');
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(statSync(path).mode & 0o777).toBe(0o644 & ~process.umask());
  });

  it('stays behind its links, in the folder where it really lies', () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'real'));
    writeFileSync(join(folder, 'real', 'file'), 'old');
    symlinkSync(join('real', 'file'), join(folder, 'link'));
    symlinkSync('link', join(folder, 'link-to-link'));
    replaceFile(join(folder, 'link-to-link'), 'new', { beside: '.beside' });
    expect(readlinkSync(join(folder, 'link-to-link'))).toBe('link');
    expect(readlinkSync(join(folder, 'link'))).toBe(join('real', 'file'));
    expect(readFileSync(join(folder, 'real', 'file'), 'utf8')).toBe('new');
    expect(readdirSync(join(folder, 'real'))).toEqual(['file']);
  });

  it('whose disk takes no more keeps the old one, and nothing is left beside it', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'file');
    writeFileSync(path, 'old');
    // A limit on the size of files (512 bytes), as a full disk has one; it ends a process that does not ignore the signal.
    const program = `process.on('SIGXFSZ', () => {});
      const { replaceFile } = await import(process.argv[1]);
      try { replaceFile(process.argv[2], 'x'.repeat(100_000)); } catch (error) { console.log(error.code); }`;
    const built = fileURLToPath(new URL('../../dist/storage/replace-file.js', import.meta.url));
    const node = `ulimit -f 1; exec '${process.execPath}' --input-type=module -e "$1" "$2" "$3"`;
    const { stdout, stderr } = spawnSync('sh', ['-c', node, 'sh', program, built, path], {
      encoding: 'utf8',
    });
    expect(stdout, stderr).toBe('storage\n');
    expect(readdirSync(folder)).toEqual(['file']);
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  it('in a folder that is not there is not made, and says what a path must be', () => {
    const folder = temporaryFolder();
    expect(() => replaceFile(join(folder, 'missing', 'file'), 'x')).toThrow(
      expect.objectContaining({ code: 'storage' }),
    );
    expect(existsSync(join(folder, 'missing'))).toBe(false);
  });

  it('never through a link that somebody put where it is written first', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'victim'), 'untouched');
    symlinkSync('victim', join(folder, '.beside'));
    replaceFile(join(folder, 'file'), 'new', { beside: '.beside' });
    expect(readFileSync(join(folder, 'victim'), 'utf8')).toBe('untouched');
    expect(readdirSync(folder).toSorted()).toEqual(['file', 'victim']);
  });
});
