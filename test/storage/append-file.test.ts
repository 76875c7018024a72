import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { flushFolderOf, openAppend } from '../../src/storage/append-file.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atma-append-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a file that lines are appended to', () => {
  it('keeps what it had, and is readable by its owner only', () => {
    const path = join(folder, 'a.jsonl');
    for (const line of ['one\n', 'two\n']) {
      const file = openAppend(path);
      file.append(line);
      file.close();
    }
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('starts a new line after one that a crash left half written', () => {
    const path = join(folder, 'a.jsonl');
    writeFileSync(path, 'whole\nhal');
    const file = openAppend(path);
    file.append('next\n');
    file.close();
    expect(readFileSync(path, 'utf8')).toBe('whole\nhal\nnext\n');
  });

  it('is flushed with its name, and may be a pipe or a device, which have nothing to flush', () => {
    const path = join(folder, 'a.jsonl');
    const file = openAppend(path);
    file.append('one\n');
    file.flush();
    flushFolderOf(path);
    expect(readFileSync(path, 'utf8')).toBe('one\n');
    file.close();
    const device = openAppend('/dev/null');
    device.append('one\n');
    expect(() => device.flush()).not.toThrow();
    device.close();
    expect(() => flushFolderOf(join(folder, 'no', 'such'))).not.toThrow();
  });

  it('says so when it cannot be opened or written', () => {
    expect(() => openAppend(join(folder, 'no', 'such', 'folder'))).toThrow('Cannot write');
    const full = openAppend('/dev/full');
    expect(() => full.append('x')).toThrow('Cannot write /dev/full');
    full.close();
  });
});
