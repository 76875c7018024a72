import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findProgram } from './programs.js';

test('a program is found wherever PATH has it, if it can be run', () => {
  const [first, second] = [1, 2].map(() => mkdtempSync(join(tmpdir(), 'atma-programs-'))) as [string, string];
  onTestFinished(() => {
    for (const folder of [first, second]) rmSync(folder, { recursive: true });
  });
  const path = [join(first, 'no-such-folder'), first, second].join(delimiter);
  for (const folder of [first, second]) writeFileSync(join(folder, 'amqp-publish'), '');
  expect(findProgram('amqp-publish', path)).toBeUndefined();
  chmodSync(join(second, 'amqp-publish'), 0o755);
  expect(findProgram('amqp-publish', path)).toBe(join(second, 'amqp-publish'));
});
