import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runCli, temporaryFolder } from './commands/cli.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** Lines of the console block that starts with `command`, without the command. */
function shown(command: string): string[] {
  const block = readme.split('```console\n').find((each) => each.startsWith(`$ ${command}\n`));
  if (block === undefined) throw new Error(`the README does not show "${command}"`);
  return block.slice(0, block.indexOf('\n```')).split('\n').slice(1);
}

describe('the README', () => {
  it('shows what events and a refused file print', async () => {
    expect((await runCli(['events'])).stdout.trimEnd().split('\n')).toEqual(shown('atma-events events'));
    const cwd = temporaryFolder();
    const { writeFileSync } = await import('node:fs');
    writeFileSync(
      join(cwd, 'events.jsonl'),
      '{"eventType":"analysis.started","jobId":"42"}\n{"eventType":"analysis.complete"}\n',
    );
    await runCli(['setup'], { cwd });
    const { stderr } = await runCli(['publish', '--from', 'events.jsonl'], { cwd });
    expect(stderr.trimEnd().split('\n')).toEqual(shown('atma-events publish --from events.jsonl'));
  });

  it.each(['README.md', 'docs/layout.md', 'docs/your-own-events.md', 'docs/your-own-transport.md'])(
    'links only to what exists, in %s',
    (file) => {
      const text = readFileSync(join(root, file), 'utf8');
      const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path = '']) => path);
      const missing = links.filter((path) => !existsSync(join(root, dirname(file), path)));
      expect(missing).toEqual([]);
    },
  );
});
