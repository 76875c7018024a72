import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../await.js';
import { startCli } from './cli.js';
import { flagFolder, putFlag } from './flag-stage.js';

const LIVE = { stage: 'live', percent: 100 } as const;
const ENV = '# of the worker\r\nexport USE_EVENT_DRIVEN="false" # see the plan\r\nSECRET=geheim';

async function live() {
  const folder = flagFolder();
  await putFlag(folder.file, LIVE);
  const path = (name: string) => join(folder.cwd, name);
  return { ...folder, path, read: (name: string) => readFileSync(path(name), 'utf8') };
}

describe('flag env', () => {
  it('sets the variable in every file, all else as it was, and says what it did', async () => {
    const { flag, path, read } = await live();
    writeFileSync(path('a.env'), ENV);
    writeFileSync(path('b.env'), 'A=1\n');
    writeFileSync(path('c.env'), 'USE_EVENT_DRIVEN=true\n');
    const { exitCode, stdout, stderr } = await flag('env', 'a.env', 'b.env', 'c.env');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toBe(
      'a.env:2: USE_EVENT_DRIVEN set from false to true\nb.env:2: USE_EVENT_DRIVEN=true added\nc.env:1: USE_EVENT_DRIVEN is true already\n',
    );
    expect(read('a.env')).toBe(ENV.replace('false', 'true'));
    expect(read('b.env')).toBe('A=1\nUSE_EVENT_DRIVEN=true\n');
    expect(stdout).not.toContain('geheim');
  });

  it('prints one document whose names are a contract', async () => {
    const { flag, path } = await live();
    writeFileSync(path('a.env'), 'USE_EVENT_DRIVEN=1\nUSE_EVENT_DRIVEN=false\n');
    const { exitCode, stdout, stderr } = await flag('env', 'a.env', 'no.env', '--json');
    expect(exitCode).toBe(3);
    expect(JSON.parse(stdout)).toEqual({
      useEventDriven: true,
      stage: 'live',
      percent: 100,
      dryRun: false,
      files: [
        { file: 'a.env', action: 'set', line: 2, before: 'false', overridden: [1] },
        {
          file: 'no.env',
          action: 'failed',
          error: {
            code: 'input-invalid',
            message: expect.stringContaining('no.env'),
            hint: expect.any(String),
          },
        },
      ],
    });
    expect(stderr).toContain('an earlier USE_EVENT_DRIVEN in line 1 was left as it is: the last one counts');
  });

  it('creates no file; none written is a failure, some is exit 3', async () => {
    const { flag, cwd, path, read } = await live();
    mkdirSync(path('folder'));
    writeFileSync(path('good.env'), '');
    writeFileSync(path('utf16.env'), Buffer.from('USE_EVENT_DRIVEN=false\n', 'utf16le'));
    const none = await flag('env', 'no.env', 'folder', 'utf16.env');
    expect(none.exitCode).toBe(2);
    expect(none.stderr.match(/^error: /gm)).toHaveLength(3);
    const some = await flag('env', 'no.env', 'good.env');
    expect(some.exitCode).toBe(3);
    expect(read('good.env')).toBe('USE_EVENT_DRIVEN=true\n');
    expect(readdirSync(cwd)).not.toContain('no.env');
  });

  it('keeps the mode and the owner, and writes through a link', async () => {
    const { flag, path, read } = await live();
    writeFileSync(path('real.env'), ENV);
    chmodSync(path('real.env'), 0o640);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(path('real.env'), 1234, 2345);
    symlinkSync('real.env', path('.env'));
    expect((await flag('env', '.env')).exitCode).toBe(0);
    expect(lstatSync(path('.env')).isSymbolicLink()).toBe(true);
    expect(read('real.env')).toBe(ENV.replace('false', 'true'));
    const { mode, uid, gid } = statSync(path('real.env'));
    expect(mode & 0o777).toBe(0o640);
    if (isRoot) expect([uid, gid]).toEqual([1234, 2345]);
  });

  it('touches no file that says so already, and none with --dry-run', async () => {
    const { flag, path, read } = await live();
    writeFileSync(path('a.env'), 'USE_EVENT_DRIVEN=true');
    writeFileSync(path('b.env'), ENV);
    const inodes = () => ['a.env', 'b.env'].map((name) => statSync(path(name)).ino);
    const before = inodes();
    const { exitCode, stdout } = await flag('env', 'a.env', 'b.env', '--dry-run');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('b.env:2: USE_EVENT_DRIVEN would be set from false to true');
    expect(inodes()).toEqual(before);
    expect(read('b.env')).toBe(ENV);
  });

  it('of a percentage on the way to live writes false, with a warning', async () => {
    const { flag, file, path, read } = await live();
    await putFlag(file, { stage: 'live', percent: 99 });
    writeFileSync(path('.env'), 'USE_EVENT_DRIVEN=true\n');
    const { exitCode, stderr } = await flag('env', '.env');
    expect(exitCode).toBe(0);
    expect(stderr).toContain(
      'warning: The flag stands at live at 99 %: USE_EVENT_DRIVEN has no percentages, and is false',
    );
    expect(read('.env')).toBe('USE_EVENT_DRIVEN=false\n');
    await putFlag(file, { stage: 'rampdown', percent: 1 });
    expect((await flag('env', '.env')).stderr).toBe('');
    expect(read('.env')).toBe('USE_EVENT_DRIVEN=true\n');
  });

  it('without a flag file writes false and says why', async () => {
    const folder = flagFolder();
    writeFileSync(join(folder.cwd, '.env'), '');
    const { exitCode, stderr } = await folder.flag('env', '.env');
    expect(exitCode).toBe(0);
    expect(stderr).toContain('There is no flag file');
    expect(readFileSync(join(folder.cwd, '.env'), 'utf8')).toBe('USE_EVENT_DRIVEN=false\n');
  });

  it('killed at any moment leaves each file old or new', async () => {
    const { options, path, read } = await live();
    const text = `${'# a comment\n'.repeat(1_000)}USE_EVENT_DRIVEN=false\n`;
    const names = Array.from({ length: 60 }, (_, at) => `${at}.env`);
    for (const last of [0, 20, 40]) {
      for (const name of names) writeFileSync(path(name), text);
      const running = startCli(['flag', 'env', ...names], options);
      await eventually('it is at work', () => read(`${last}.env`) !== text, { everyMs: 0 });
      running.child.kill('SIGKILL');
      await running.ended;
      for (const name of names) expect([text, text.replace('false', 'true')]).toContain(read(name));
    }
  });

  it('needs a file', async () => {
    const { flag } = flagFolder();
    expect(await flag('env')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('missing required argument'),
    });
  });
});
