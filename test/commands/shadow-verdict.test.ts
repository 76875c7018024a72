import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/storage/sqlite.js';
import { runCli, temporaryFolder } from './cli.js';
import { EASY, storedRun } from './shadow-stores.js';

const verdict = (cwd: string, ...args: string[]) => runCli(['shadow', 'verdict', ...args], { cwd });

describe('shadow verdict', () => {
  it('is SAFE, exit 0, where enough legs are good by the policy of the config', async () => {
    const { folder } = storedRun({ how: 'ended' });
    writeFileSync(join(folder, 'atma-events.config.json'), EASY);
    const { exitCode, stdout, stderr } = await verdict(folder);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('has ended') });
    expect(stdout).toMatch(/^SAFE {2}The events can replace the callbacks\.\n/);
    expect(stdout).toContain('Were 50 % of them bad, at most 5 % of runs would ever look this good');
  });

  it('is INCONCLUSIVE, exit 6, with what is still needed', async () => {
    const { folder } = storedRun({ how: 'ended' });
    const { exitCode, stdout } = await verdict(folder);
    expect(exitCode).toBe(6);
    expect(stdout).toMatch(
      /^INCONCLUSIVE {2}Nothing is shown yet.* SAFE in about \d+ days, if every leg is good\.\n/,
    );
    expect(stdout).toMatch(
      /analysis\.started × assessment: 0 of 100 legs bad .* 3,227 more clean legs are needed/,
    );
  });

  it('is UNSAFE, exit 4, with the reason first', async () => {
    const traffic = { seed: 3, days: 0.1, jobs: 50, faults: { 'no event': 20 } };
    const { exitCode, stdout } = await verdict(storedRun({ how: 'ended', traffic }).folder);
    expect(exitCode).toBe(4);
    expect(stdout.split('\n')[2]).toMatch(/^ {2}analysis\.completed × notification: 20 of \d+ legs bad/);
  });

  it('may be asked for while the run goes on', async () => {
    const { folder, path } = storedRun({ how: 'goesOn' });
    writeFileSync(join(folder, 'atma-events.config.json'), EASY);
    const { exitCode, stdout } = await verdict(folder, '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'SAFE', run: { store: path, state: 'running' } });
  });

  it('prints one document whose names are a contract', async () => {
    const { stdout } = await verdict(storedRun({ how: 'ended' }).folder, '--json');
    const document = JSON.parse(stdout);
    expect(Object.keys(document)).toEqual(['verdict', 'safeInMs', 'reasons', 'strata', 'run', 'evidence']);
    expect(Object.keys(document.strata[0])).toEqual([
      'eventType',
      'consumer',
      'legs',
      'bad',
      'neededCleanLegs',
    ]);
    expect(Object.keys(document.run)).toEqual(['store', 'state', 'startedAt', 'savedAt']);
    expect(Object.keys(document.evidence)).toEqual(['mapping', 'flag', 'flags', 'savedAt', 'legs', 'bad']);
    expect(Object.keys(document.reasons[0])).toEqual(['stratum', 'code', 'text']);
  });
});

describe('a run that nobody saves any more', () => {
  it('was killed: its sources have stalled, and it cannot be SAFE', async () => {
    const { folder } = storedRun({ how: 'killed' });
    writeFileSync(join(folder, 'atma-events.config.json'), EASY);
    const { exitCode, stdout, stderr } = await verdict(folder);
    expect(exitCode).toBe(6);
    expect(stdout).toContain('The run was not ended in order: it was killed, or its machine went down');
    expect(stdout).toContain('`shadow run` with the same --store goes on with it');
    for (const source of ['proxy', 'taps']) expect(stdout).toContain(`${source} has told nothing since `);
    expect(stderr).toContain('The run was cut off');
    const { stdout: json } = await verdict(folder, '--json');
    expect(JSON.parse(json)).toMatchObject({
      verdict: 'INCONCLUSIVE',
      safeInMs: null,
      run: { state: 'stopped' },
    });
  });

  it('hangs: it is there, and has saved nothing for a while', async () => {
    const { folder } = storedRun({ how: 'goesOn', savedAgo: 10 * 60_000 });
    writeFileSync(join(folder, 'atma-events.config.json'), EASY);
    const { exitCode, stdout } = await verdict(folder);
    expect(exitCode).toBe(6);
    expect(stdout).toContain('The run goes on, but it has saved nothing since ');
  });

  it('but was ended long ago is judged by what it has', async () => {
    const { folder } = storedRun({ how: 'ended', savedAgo: 86_400_000 });
    writeFileSync(join(folder, 'atma-events.config.json'), EASY);
    expect((await verdict(folder)).exitCode).toBe(0);
  });
});

describe('a store that cannot be read is told in plain words:', () => {
  it.each(['verdict', 'report'])('there is none (%s)', async (verb) => {
    const cwd = temporaryFolder();
    const { exitCode, stdout, stderr } = await runCli(['shadow', verb], { cwd });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(`error: There is no shadow run at ${join(cwd, '.atma-events', 'shadow.db')}`);
    expect(stderr).toContain('--store names its file');
    const json = await runCli(['shadow', verb, '--json'], { cwd });
    expect(JSON.parse(json.stdout)).toMatchObject({ error: { code: 'usage' } });
  });

  it.each(['verdict', 'report'])('it is no store, or a folder (%s)', async (verb) => {
    const cwd = temporaryFolder();
    writeFileSync(
      join(cwd, 'notes.txt'),
      'no database, but longer than the header of one would be\n'.repeat(100),
    );
    mkdirSync(join(cwd, 'folder'));
    await runCli(['setup', '--url', 'embedded:broker.db'], { cwd });
    const wrong = [
      ['folder', 2, 'is a folder'],
      ['notes.txt', 1, 'is not'],
      ['broker.db', 1, 'is no shadow run, but a database of another program or purpose'],
    ] as const;
    for (const [name, code, words] of wrong) {
      const { exitCode, stderr } = await runCli(['shadow', verb, '--store', name], { cwd });
      expect({ name, exitCode }).toEqual({ name, exitCode: code });
      expect(stderr).toContain(words);
      expect(stderr).not.toContain('defect');
    }
  });

  it('it is of a newer version', async () => {
    const { folder, path } = storedRun({ how: 'ended' });
    const database = openDatabase(path, {});
    database.exec('PRAGMA user_version = 99');
    database.close();
    const { exitCode, stderr } = await verdict(folder);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('was written by a newer atma-events (format 99)');
    expect(stderr).toContain('Update atma-events.');
  });
});

describe('shadow report', () => {
  it('shows what the run has found, exit 0 whatever the verdict is, and writes its files', async () => {
    const traffic = { seed: 3, days: 0.1, jobs: 50, faults: { 'no event': 20 } };
    const { folder } = storedRun({ how: 'goesOn', traffic });
    const args = ['shadow', 'report', '--html', 'report.html', '--junit', 'verdict.xml'];
    const { exitCode, stdout, stderr } = await runCli(args, { cwd: folder });
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^UNSAFE/);
    expect(stdout).toContain('20 × missing event, analysis.completed × assessment (counts against)');
    expect(stderr).toContain('The run goes on; begun ');
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('missing event');
    expect(readFileSync(join(folder, 'verdict.xml'), 'utf8')).toContain('<failure ');
  });

  it('does not write over the run', async () => {
    const { folder } = storedRun({ how: 'ended' });
    const { exitCode, stderr } = await runCli(['shadow', 'report', '--html', '.atma-events/shadow.db'], {
      cwd: folder,
    });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('error: The report would replace ');
    expect((await runCli(['shadow', 'report'], { cwd: folder })).exitCode).toBe(0);
  });

  it('prints the document of shadow compare, and which run it is', async () => {
    const { folder } = storedRun({ how: 'ended' });
    const { exitCode, stdout } = await runCli(['shadow', 'report', '--json'], { cwd: folder });
    expect(exitCode).toBe(0);
    const document = JSON.parse(stdout);
    expect(Object.keys(document).slice(0, 3)).toEqual(['legs', 'strata', 'verdict']);
    expect(document.legs.match).toBe(400);
    expect(document.run).toMatchObject({ state: 'ended' });
  });

  it('says so when the config has another mapping than the run', async () => {
    const { folder } = storedRun({ how: 'ended' });
    const leg = { eventType: 'a.b', consumer: 'mail', queue: 'q', event: { job: ['id'] } };
    writeFileSync(
      join(folder, 'atma-events.config.json'),
      JSON.stringify({ preset: 'atma', shadow: { legs: [leg] } }),
    );
    const { exitCode, stdout, stderr } = await runCli(['shadow', 'report'], { cwd: folder });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('analysis.completed × notification');
    expect(stderr).toContain('warning: the run compares by another mapping than that of preset atma');
  });
});
