import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { runCli, temporaryFolder } from './commands/cli.js';

const root = fileURLToPath(new URL('..', import.meta.url));

describe('examples/own-events', () => {
  it('is set up from its config file, and its service publishes and consumes', async () => {
    const cwd = temporaryFolder();
    cpSync(join(root, 'examples/own-events'), cwd, { recursive: true });
    mkdirSync(join(cwd, 'node_modules'));
    symlinkSync(root, join(cwd, 'node_modules/atma-events'));
    symlinkSync(join(root, 'node_modules/zod'), join(cwd, 'node_modules/zod'));

    const setup = await runCli(['setup', '--json'], { cwd });
    expect(setup).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(setup.stdout).changes).toHaveLength(6);
    const { stdout: listed } = await runCli(['events'], { cwd });
    expect(listed).toContain('A customer paid an order in full.');
    expect((await runCli(['publish', 'order.paid', '--sample', '--set', 'total=-1'], { cwd })).exitCode).toBe(
      2,
    );

    const { stdout } = await promisify(execFile)(process.execPath, ['service.mjs'], { cwd, timeout: 20_000 });
    expect(stdout.split('\n').sort()).toEqual(['', 'confirmed order.paid', 'shipping XYZ-123, paid 500000']);
  });
});
