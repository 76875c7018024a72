import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freshenDist } from './fresh-dist.js';

/** A project of one file, built at second 100, whose build says something and ends with this code. */
function project(exitCode: number): string {
  const root = mkdtempSync(join(tmpdir(), 'atma-fresh-dist-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const folder of ['src', 'dist', 'scripts']) mkdirSync(join(root, folder));
  writeFileSync(join(root, 'src', 'a.ts'), '');
  writeFileSync(join(root, 'dist', 'a.js'), '');
  utimesSync(join(root, 'dist', 'a.js'), 100, 100);
  const built = JSON.stringify(join(root, 'built'));
  const build = `import { writeFileSync } from 'node:fs';
    writeFileSync(${built}, '');
    console.log('a.ts(1,1): error TS1005');
    process.exitCode = ${exitCode};`;
  writeFileSync(join(root, 'scripts', 'build.mjs'), build);
  return root;
}

test('a src that does not compile fails the run, with what the compiler says', () => {
  expect(() => freshenDist(project(2))).toThrow(/src does not compile[\s\S]*error TS1005/);
});

test('a dist as new as src is left alone', () => {
  const root = project(2);
  utimesSync(join(root, 'src', 'a.ts'), 100, 100);
  freshenDist(root);
  expect(existsSync(join(root, 'built'))).toBe(false);
});

test('an older dist is built', () => {
  const root = project(0);
  freshenDist(root);
  expect(existsSync(join(root, 'built'))).toBe(true);
});
