import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/storage/sqlite.js';
import { CONTROLS, flagFolder, putFlag } from './flag-stage.js';

const SHADOW = { stage: 'shadow', percent: 100 } as const;

async function moved() {
  const folder = flagFolder();
  await putFlag(folder.file, { stage: 'publish', percent: 100 }, 'outboxes are in place');
  await putFlag(folder.file, SHADOW, 'consumers are in place');
  await folder.flag('set', 'live', '--percent', '5', '--reason', 'drill', '--force', '--yes');
  return folder;
}

describe('flag history', () => {
  it('shows the latest first: who, when, from where to where, why, and what was overruled', async () => {
    const { flag } = await moved();
    const { exitCode, stdout } = await flag('history');
    expect(exitCode).toBe(0);
    const blocks = stdout.split(/\n(?=\d)/);
    expect(blocks).toHaveLength(3);
    expect(blocks[0]).toMatch(
      /^\d+ {2}\S+Z {2}done {2}shadow → live at 5 % {2}\(epoch 3\) {2}by rina on \S+\n {3}why: drill\n {3}forced\n {3}not in order: verdict: /,
    );
    expect(blocks[2]).toMatch(/^1 .*off → publish .* by budi on elsewhere\n {3}why: outboxes are in place$/m);
  });

  it('--limit shows the latest ones, and how many more there are', async () => {
    const { flag } = await moved();
    const { stdout, stderr } = await flag('history', '--limit', '1');
    expect(stdout.match(/^\d/gm)).toHaveLength(1);
    expect(stderr).toContain('2 earlier entries: --limit 3');
  });

  it('prints one document whose names are a contract', async () => {
    const { flag } = await moved();
    const { stdout } = await flag('history', '--json', '--verify');
    const document = JSON.parse(stdout);
    expect(Object.keys(document)).toEqual(['entries', 'verified']);
    expect(Object.keys(document.entries[0])).toEqual([
      ...[
        'seq',
        'at',
        'by',
        'action',
        'from',
        'to',
        'sample',
        'epoch',
        'reason',
        'forced',
        'rollout',
        'evidence',
        'settled',
      ],
      ...['fileBefore', 'fileAfter', 'hash'],
    ]);
    expect(document.entries.map(({ epoch }: { epoch: number }) => epoch)).toEqual([3, 2, 1]);
    expect(document.verified).toEqual({ entries: 3, rows: 6, problems: [], notes: [] });
    expect(JSON.parse((await flag('history', '--json')).stdout).verified).toBeNull();
  });

  it('numbers a move by the first of its two rows', async () => {
    const { flag } = await moved();
    const numbers = (await flag('history')).stdout.match(/^\d+(?= )/gm);
    expect(numbers).toEqual(['5', '3', '1']);
  });

  it('says where the flag had been, where a move found its file gone or changed by hand', async () => {
    const { flag, file } = await moved();
    rmSync(file);
    await flag('off', '--yes');
    const [gone] = (await flag('history', '--limit', '1')).stdout.split('\n', 2).slice(1);
    expect((await flag('history', '--limit', '1')).stdout).toMatch(/ {2}off, written anew {2}\(epoch 4\) /);
    expect(gone).toBe('   the flag file was gone before it: the move before had put it to live at 5 %');
    writeFileSync(file, `${readFileSync(file, 'utf8')} `);
    await flag('set', 'publish', '--reason', 'again', '--yes');
    const { stdout } = await flag('history', '--limit', '1');
    expect(stdout).toContain(
      '\n   the flag file had been changed by hand before it: the move before had put it to off\n',
    );
  });

  it('without a move has nothing to show, and creates nothing', async () => {
    const { flag } = flagFolder();
    expect(await flag('history')).toMatchObject({ exitCode: 0, stdout: 'Nobody has moved the flag yet.\n' });
    expect(await flag('history', '--verify')).toMatchObject({ exitCode: 0 });
  });

  it('--verify finds an entry that was altered, exit 4', async () => {
    const { flag, file } = await moved();
    expect(await flag('history', '--verify')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('Verified: 3 entries in 6 rows of the trail hold together, and'),
    });
    const database = openDatabase(`${file}.audit.db`, {});
    database.exec('DROP TRIGGER entry_keeps');
    database.exec("UPDATE entry SET text = replace(text, 'outboxes are', 'nothing is') WHERE seq = 1");
    database.close();
    const { exitCode, stdout } = await flag('history', '--verify');
    expect(exitCode).toBe(4);
    expect(stdout).toContain('NOT in order:\n  Entry 1 was altered');
    expect(JSON.parse((await flag('history', '--verify', '--json')).stdout).verified.problems).toHaveLength(
      1,
    );
  });

  it('--verify finds a flag file that was edited by hand', async () => {
    const { flag, file } = await moved();
    writeFileSync(file, `${readFileSync(file, 'utf8')} `);
    const { exitCode, stdout } = await flag('history', '--verify');
    expect({ exitCode, stdout }).toEqual({ exitCode: 4, stdout: expect.stringContaining('edited by hand') });
  });

  it('is still there when the flag file is broken or gone', async () => {
    const { flag, file } = await moved();
    writeFileSync(file, '{');
    const { exitCode, stdout } = await flag('history', '--limit', '1');
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringContaining('shadow → live at 5 %'),
    });
  });

  it('shows what somebody wrote into the trail without control characters, passwords or addresses', async () => {
    const { flag, file } = await moved();
    const database = openDatabase(`${file}.audit.db`, {});
    database.exec('DROP TRIGGER entry_keeps');
    database.exec(
      `UPDATE entry SET text = replace(text, 'outboxes', '\\u001b[2J amqp://u:geheim@h rina@example.com') WHERE seq = 1`,
    );
    database.close();
    for (const args of [['history'], ['history', '--json'], ['history', '--verify']]) {
      const { stdout, stderr } = await flag(...args);
      expect(stdout + stderr).not.toMatch(CONTROLS);
      expect(stdout + stderr).not.toMatch(/geheim|rina@/);
    }
  });
});
