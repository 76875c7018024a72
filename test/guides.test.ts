/** The guides show what the commands really print: the flow of docs/guides/when-messages-die.md, run and compared. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { eventually } from './await.js';
import { runCli, startProgram, temporaryFolder } from './commands/cli.js';
import { readGuide } from './guide.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const DLQ = 'analysis_events_assessments_dlq';

/** Times, folders, and what follows from them, differ from run to run. */
function stable(line: string): string {
  return line
    .trimEnd()
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replace(/\d+ (s|min) ago/g, 'AGO')
    .replace(/-\d{13}/g, '-MS')
    .replace(/file:\/\/\S*\/service\.mjs/g, 'SERVICE')
    .replace(/in [\d.]+ s, \d+\/s \(replay \w+\)/, 'in TIME')
    .replace(/ {2,}/g, '  ');
}

const { shown } = readGuide('when-messages-die.md', stable);

async function printed(cwd: string, command: string): Promise<string[]> {
  const { exitCode, stdout, stderr } = await runCli(command.split(' ').slice(1), { cwd });
  expect(exitCode, stderr).toBe(0);
  return stdout.trimEnd().split('\n').map(stable);
}

describe('the guide "when messages die"', () => {
  it('shows what happens to the events of a service whose dependency is away, and is back', async () => {
    const cwd = temporaryFolder();
    cpSync(join(root, 'examples/consumer'), cwd, { recursive: true });
    mkdirSync(join(cwd, 'node_modules'));
    symlinkSync(root, join(cwd, 'node_modules/atma-events'));
    await runCli(['setup'], { cwd });
    const broken = startProgram(['service.mjs'], { cwd, env: { TOKENS: 'down' } });
    await eventually('it consumes', () => broken.stdout().includes('consuming'));
    await runCli(['publish', 'analysis.failed', '--sample'], { cwd });
    const another = 'jobId=11111111-6b7d-4e5f-9a0b-1c2d3e4f5a6b';
    await runCli(['publish', 'analysis.failed', '--sample', '--set', another], { cwd });
    await eventually('both are dead', async () => {
      const { stdout } = await runCli(['dlq', 'list', DLQ, '--json'], { cwd });
      return JSON.parse(stdout)[0].messages === 2;
    });
    broken.child.kill('SIGTERM');
    expect((await broken.ended).exitCode).toBe(0);

    for (const command of [
      'atma-events dlq list',
      `atma-events dlq groups ${DLQ}`,
      `atma-events replay-dlq ${DLQ} --dry-run`,
    ]) {
      expect(await printed(cwd, command), command).toEqual(shown(command));
    }
    const show = `atma-events dlq show ${DLQ} --limit 1`;
    expect((await printed(cwd, show)).slice(0, shown(show).length)).toEqual(shown(show));

    const mended = startProgram(['service.mjs'], { cwd });
    await eventually('it consumes', () => mended.stdout().includes('consuming'));
    const replay = `atma-events replay-dlq ${DLQ} --canary 1 --canary-wait 1s --yes`;
    expect(await printed(cwd, replay)).toEqual(shown(replay));
    await eventually('both were refunded', () => mended.stdout().match(/refunded 1 token/g)?.length === 2);
    await runCli(['publish', 'analysis.failed', '--sample'], { cwd });
    await eventually('the second event of a job refunds nothing', () =>
      mended.stdout().includes('job 3f8a2c1e failed, refunded before'),
    );
    mended.child.kill('SIGTERM');
    expect((await mended.ended).exitCode).toBe(0);
  });
});

describe('the guide "write a consumer"', () => {
  it('quotes its example as it is', () => {
    const text = readFileSync(join(root, 'docs/guides/write-a-consumer.md'), 'utf8');
    const example = readFileSync(join(root, 'examples/consumer/service.mjs'), 'utf8');
    const [, quoted = ''] = /```js\n([\s\S]*?)```/.exec(text) ?? [];
    for (const line of quoted.split('\n')) expect(example.split('\n')).toContain(line);
  });
});

describe('the guides', () => {
  it.each(readdirSync(join(root, 'docs/guides')))('link only to what exists, in %s', (file) => {
    const path = join(root, 'docs/guides', file);
    const links = [...readFileSync(path, 'utf8').matchAll(/\]\((?!https?:)([^)#]+)/g)].map(
      ([, to = '']) => to,
    );
    expect(links.filter((to) => !existsSync(join(dirname(path), to)))).toEqual([]);
  });
});
