/** Watching a flag file that is treated as files are: renamed, swapped, cut, half written, deleted, locked. */
import {
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { writeFlag } from '../../src/migration/flag-document.js';
import { type FlagState, NO_FLAG } from '../../src/migration/flag-state.js';
import {
  type FlagTrouble,
  type FlagWatch,
  type FlagWatchOptions,
  watchFlag,
} from '../../src/migration/flag-watch.js';
import { eventually, gate, within } from '../await.js';
import { startProgram } from '../commands/cli.js';
import { at, byHand, type FlagScene, flagScene } from './flag-scene.js';

interface Watched {
  readonly watch: FlagWatch;
  readonly changes: FlagState[];
  readonly troubles: FlagTrouble[];
  readonly kinds: () => string[];
}

/** Never looks by itself: the test says when. */
async function watched(path: string, more: Partial<FlagWatchOptions> = {}): Promise<Watched> {
  const changes: FlagState[] = [];
  const troubles: FlagTrouble[] = [];
  const watch = await watchFlag({
    path,
    onChange: (state) => changes.push(state),
    onTrouble: (trouble) => troubles.push(trouble),
    now: () => 1_000,
    setTimer: () => () => {},
    pause: () => turn(),
    ...more,
  });
  onTestFinished(() => watch.close());
  return { watch, changes, troubles, kinds: () => troubles.map(({ kind }) => kind) };
}

const textOf = (stage: FlagState['stage'], epoch: number) =>
  writeFlag(undefined, { ...NO_FLAG, stage, epoch });

async function scene(): Promise<FlagScene> {
  const flag = flagScene();
  await flag.move(at('publish'));
  await flag.move(at('shadow'));
  return flag;
}

describe('a watched flag', () => {
  test('is what the file says, and follows a move', async () => {
    const flag = await scene();
    const { watch, changes, troubles } = await watched(flag.file);
    expect(watch.state).toMatchObject({ stage: 'shadow', percent: 100, epoch: 2 });
    expect(watch.decide('a')).toEqual({ stage: 'shadow', epoch: 2, inSample: false });
    const { hash, after } = await flag.move(at('live'));
    expect(watch.decide('a').stage).toBe('shadow');
    await watch.look();
    expect(watch.decide('a')).toEqual({ stage: 'live', epoch: 3, inSample: false });
    expect([watch.hash, watch.state]).toEqual([hash, after]);
    expect([changes, troubles]).toEqual([[after], []]);
  });

  test('tells one change once, and none where the file was only written again', async () => {
    const flag = await scene();
    const { watch, changes } = await watched(flag.file);
    await flag.move(at('live', 25));
    for (let looks = 0; looks < 3; looks++) await watch.look();
    flag.write(flag.text());
    await watch.look();
    // Other bytes that say the same: another flag beside ours, say.
    flag.write(flag.text().replace('"flags": {', '"flags": { "x": {"state":"DISABLED","variants":{"a":1}},'));
    await watch.look();
    expect(changes).toHaveLength(1);
    expect(watch.trouble).toBeUndefined();
  });

  test('follows a ConfigMap as kubelet swaps it: by a link to a folder, and not a file touched', async () => {
    const { folder } = flagScene();
    const put = (name: string, text: string) => {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, 'flags.json'), text);
    };
    put('..2026_03_01', textOf('shadow', 1));
    symlinkSync('..2026_03_01', join(folder, '..data'));
    symlinkSync(join('..data', 'flags.json'), join(folder, 'flags.json'));
    const { watch, changes, troubles } = await watched(join(folder, 'flags.json'));
    expect(watch.state).toMatchObject({ stage: 'shadow', epoch: 1 });
    put('..2026_03_02', textOf('live', 2));
    symlinkSync('..2026_03_02', join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    rmSync(join(folder, '..2026_03_01'), { recursive: true });
    await watch.look();
    expect(changes).toEqual([expect.objectContaining({ stage: 'live', epoch: 2 })]);
    expect(troubles).toEqual([]);
  });

  test.each<readonly [string, string, (flag: FlagScene) => void]>([
    ['cut to nothing', 'invalid', ({ file }) => truncateSync(file)],
    ['half written', 'invalid', ({ file, text }) => truncateSync(file, Math.floor(text().length / 2))],
    ['replaced by something else', 'invalid', ({ write }) => write('{"flags":{}}')],
    ['deleted', 'missing', ({ file }) => unlinkSync(file)],
    ['deleted with its folder', 'missing', ({ folder }) => rmSync(folder, { recursive: true })],
    [
      'a folder now',
      'unreadable',
      ({ file }) => {
        unlinkSync(file);
        mkdirSync(file);
      },
    ],
    [
      'a link to nothing',
      'unreadable',
      ({ file }) => {
        unlinkSync(file);
        symlinkSync('nowhere', file);
      },
    ],
    [
      'a link to itself',
      'unreadable',
      ({ file }) => {
        unlinkSync(file);
        symlinkSync('flags.json', file);
      },
    ],
  ])(
    'that is %s keeps its last good state, says so once, and says when it is over',
    async (_, kind, spoil) => {
      const flag = await scene();
      const { watch, changes, troubles, kinds } = await watched(flag.file);
      const before = { state: watch.state, hash: watch.hash };
      const text = flag.text();
      spoil(flag);
      for (let looks = 0; looks < 3; looks++) await watch.look();
      expect(kinds()).toEqual([kind]);
      expect(troubles[0]).toMatchObject({ at: 1_000, text: expect.stringContaining('still shadow') });
      expect(watch.trouble).toBe(troubles[0]);
      expect({ state: watch.state, hash: watch.hash }).toEqual(before);
      expect(watch.decide('a').stage).toBe('shadow');

      rmSync(flag.file, { recursive: true, force: true });
      mkdirSync(flag.folder, { recursive: true });
      flag.write(text);
      await watch.look();
      expect(kinds()).toEqual([kind, 'over']);
      expect(watch.trouble).toBeUndefined();
      expect(changes).toEqual([]);
    },
  );

  test('that comes back as another state tells that it is over, then the change', async () => {
    const flag = await scene();
    const told: string[] = [];
    const { watch } = await watched(flag.file, {
      onChange: ({ stage }) => told.push(stage),
      onTrouble: ({ kind }) => told.push(kind),
    });
    flag.write('{');
    await watch.look();
    flag.write(byHand('live'));
    await watch.look();
    expect(told).toEqual(['invalid', 'over', 'live']);
  });

  test('tells each trouble anew when it is another one', async () => {
    const flag = await scene();
    const { watch, kinds, troubles } = await watched(flag.file);
    for (const text of ['{', '{', '{"flags":{}}', '', '']) {
      flag.write(text);
      await watch.look();
    }
    unlinkSync(flag.file);
    await watch.look();
    flag.write('');
    await watch.look();
    expect(kinds()).toEqual(['invalid', 'invalid', 'invalid', 'missing', 'invalid']);
    expect(new Set(troubles.map(({ text }) => text)).size).toBe(4);
  });

  test('shows nothing of the file that could drive a terminal, and no address', async () => {
    const flag = await scene();
    const { watch, troubles } = await watched(flag.file);
    const name = 'a\u001b[2J rina@example.com';
    flag.write(flag.text().replace('"flags": {', `"flags": { ${JSON.stringify(name)}: {},`));
    await watch.look();
    expect(troubles[0]?.text).toContain('a\\x1b[2J ***@example.com');
  });

  test('that nobody may read is told as unreadable', async () => {
    const flag = await scene();
    // The superuser may read everything: so the watching is done by somebody else.
    const asNobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;
    chmodSync(join(flag.folder, '..'), 0o711);
    chmodSync(flag.folder, 0o711);
    chmodSync(flag.file, 0o600);
    const program = `const [watch, path, id] = process.argv.slice(1);
      if (id) { process.setgid(Number(id)); process.setuid(Number(id)); }
      const { loadFlagBytes } = await import(watch);
      await loadFlagBytes(path).then(() => console.log('read'), (error) => console.log(error.code, error.message));`;
    const built = fileURLToPath(new URL('../../dist/migration/flag-file.js', import.meta.url));
    if (asNobody === undefined) chmodSync(flag.file, 0o000);
    const id = asNobody === undefined ? [] : [String(asNobody.uid)];
    const { stdout, stderr } = await startProgram(
      ['--input-type=module', '-e', program, built, flag.file, ...id],
      { input: '' },
    ).ended;
    expect(stdout, stderr).toContain(`flag-invalid ${flag.file} cannot be read: EACCES`);
  });

  test('on a disk that does not answer is told as unreadable, and followed when it answers', async () => {
    const flag = await scene();
    const timers: (() => void)[] = [];
    const answer = gate();
    let isHanging = false;
    const { watch, kinds, changes } = await watched(flag.file, {
      setTimer: (work, ms) => {
        if (ms === 5_000) timers.push(work);
        return () => {};
      },
      load: async () => {
        if (isHanging) await answer.opened;
        return Buffer.from(flag.text());
      },
    });
    isHanging = true;
    await flag.move(at('live'));
    const look = watch.look();
    timers.at(-1)?.();
    expect(kinds()).toEqual(['unreadable']);
    expect(watch.trouble?.text).toContain('has not answered for 5 s; still shadow');
    answer.open();
    await look;
    expect(kinds()).toEqual(['unreadable', 'over']);
    expect(changes).toHaveLength(1);
  });
});

describe('the start of watching', () => {
  test('without a file is off, told once, until one appears', async () => {
    const flag = flagScene();
    const { watch, changes, kinds } = await watched(flag.file);
    expect([watch.state, watch.hash]).toEqual([NO_FLAG, null]);
    expect(watch.decide('a')).toEqual({ stage: 'off', epoch: 0, inSample: false });
    for (let looks = 0; looks < 3; looks++) await watch.look();
    expect(kinds()).toEqual(['missing']);
    await flag.move(at('publish'));
    await watch.look();
    expect(kinds()).toEqual(['missing', 'over']);
    expect(changes).toEqual([expect.objectContaining({ stage: 'publish', epoch: 1 })]);
  });

  test('without a file, then with a broken one, is off all along', async () => {
    const flag = flagScene();
    const { watch, changes, kinds } = await watched(flag.file);
    flag.write('{');
    await watch.look();
    unlinkSync(flag.file);
    await watch.look();
    expect(kinds()).toEqual(['missing', 'invalid', 'missing']);
    expect([watch.state.stage, changes]).toEqual(['off', []]);
  });

  test('waits for a file that is just being written', async () => {
    const flag = flagScene();
    flag.write('{');
    let pauses = 0;
    const { watch, troubles } = await watched(flag.file, {
      pause: async () => {
        pauses++;
        if (pauses === 3) flag.write(textOf('live', 3));
      },
    });
    expect([pauses, watch.state.stage, troubles]).toEqual([3, 'live', []]);
  });

  test('fails where the file stays broken: a service must not guess', async () => {
    const flag = flagScene();
    flag.write('{');
    await expect(watched(flag.file)).rejects.toMatchObject({
      code: 'flag-invalid',
      message: expect.stringContaining('not JSON'),
    });
  });
});

describe('looking by itself', () => {
  test('sees a move within 2 seconds, and many in their order', async () => {
    const flag = await scene();
    const seen: number[] = [];
    const watch = await watchFlag({ path: flag.file, onChange: ({ epoch }) => seen.push(epoch) });
    onTestFinished(() => watch.close());
    const begun = performance.now();
    await flag.move(at('live'));
    await eventually('the move is seen', () => watch.state.stage === 'live');
    // Half a second by design; the rest is a busy machine.
    expect(performance.now() - begun).toBeLessThan(2_000);
    await flag.move(at('shadow'));
    await eventually('the way back is seen', () => watch.state.stage === 'shadow');
    expect(seen).toEqual([3, 4]);
  });

  test('looks once per interval, and never again once it is closed', async () => {
    const flag = await scene();
    const due: { work: () => void; ms: number; off: boolean }[] = [];
    const { watch } = await watched(flag.file, {
      pollMs: 250,
      setTimer: (work, ms) => {
        const timer = { work, ms, off: false };
        due.push(timer);
        return () => {
          timer.off = true;
        };
      },
    });
    const polls = () => due.filter(({ ms, off }) => ms === 250 && !off);
    expect(polls()).toHaveLength(1);
    await flag.move(at('live'));
    polls()[0]?.work();
    await eventually('it has looked', () => watch.state.stage === 'live');
    await eventually('it waits again', () => polls().length === 2);
    await watch.close();
    await watch.close();
    expect(polls()).toHaveLength(1); // the one that has fired
    await flag.move(at('shadow'));
    await watch.look();
    expect(watch.state.stage).toBe('live');
  });

  test('keeps no process alive', async () => {
    const flag = await scene();
    const program = `const { watchFlag } = await import(process.argv[1]);
      const watch = await watchFlag({ path: process.argv[2] });
      console.log(watch.state.stage);`;
    const built = fileURLToPath(new URL('../../dist/migration/flag-watch.js', import.meta.url));
    const { ended } = startProgram(['--input-type=module', '-e', program, built, flag.file], { input: '' });
    expect(await within('it ends by itself', ended)).toMatchObject({
      exitCode: 0,
      stdout: 'shadow\n',
      stderr: '',
    });
  });
});
