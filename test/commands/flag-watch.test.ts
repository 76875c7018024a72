import { rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eventually } from '../await.js';
import { startCli } from './cli.js';
import { flagFolder, putFlag } from './flag-stage.js';
import { KEYS, startOnTerminal, terminalsToBeHad } from './pseudo-terminal.js';

const SHADOW = { stage: 'shadow', percent: 100 } as const;

describe('flag watch', () => {
  it('shows each change within two seconds, and ends with Ctrl-C', async () => {
    const { options, file } = flagFolder();
    await putFlag(file, SHADOW);
    const watch = startCli(['flag', 'watch'], options);
    await watch.says(
      `watching ${file}: shadow (epoch 1, USE_EVENT_DRIVEN=false, by budi on elsewhere): for the test`,
    );
    expect(watch.stdout()).toBe('');
    await putFlag(file, { stage: 'live', percent: 25 }, 'first quarter');
    const line =
      /^\S+Z {2}live at 25 % \(epoch 2, USE_EVENT_DRIVEN=false, by budi on elsewhere\): first quarter\n/;
    await eventually('it is shown', () => line.test(watch.stdout()), { withinMs: 2_000 });
    watch.child.kill('SIGINT');
    expect((await watch.ended).exitCode).toBe(130);
  });

  it('prints a line of JSON per change and per trouble, whose names are a contract', async () => {
    const { options, file } = flagFolder();
    const watch = startCli(['flag', 'watch', '--json'], options);
    await watch.says('watching ');
    const lines = () =>
      watch
        .stdout()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    const seen = (count: number) => eventually(`${count} lines`, () => lines().length >= count);
    await seen(1);
    await putFlag(file, SHADOW);
    await seen(3);
    writeFileSync(file, '{"flags"');
    await seen(4);
    rmSync(file);
    await seen(5);
    watch.child.kill('SIGTERM');
    expect((await watch.ended).exitCode).toBe(130);
    expect(lines()).toHaveLength(5);
    for (const line of lines()) {
      expect(Object.keys(line)).toEqual([
        ...[
          'at',
          'stage',
          'percent',
          'useEventDriven',
          'epoch',
          'changedAt',
          'changedBy',
          'reason',
          'trouble',
        ],
      ]);
    }
    const kinds = lines().map(({ stage, trouble }) => [stage, trouble?.kind ?? null]);
    expect(kinds).toEqual([
      ['off', 'missing'],
      ['off', 'over'],
      ['shadow', null],
      ['shadow', 'invalid'],
      ['shadow', 'missing'],
    ]);
  });

  it('ends by itself with --for', async () => {
    const { flag, file } = flagFolder();
    await putFlag(file, SHADOW);
    expect(await flag('watch', '--for', '50ms')).toMatchObject({ exitCode: 0, stdout: '' });
  });

  it('does not begin with a file that nobody can use', async () => {
    const { flag, file } = flagFolder();
    writeFileSync(file, 'nothing');
    expect(await flag('watch')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('is not JSON'),
    });
  });

  it.skipIf(!terminalsToBeHad)('shows the same on a terminal', async () => {
    const { options, file } = flagFolder();
    await putFlag(file, SHADOW);
    const run = startOnTerminal(['flag', 'watch'], options);
    await run.shows('watching ');
    await putFlag(file, { stage: 'live', percent: 100 });
    await run.shows('live (epoch 2, USE_EVENT_DRIVEN=true');
    run.types(KEYS.interrupt);
    expect(await run.ended).toBe(130);
  });
});
