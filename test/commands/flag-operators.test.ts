/** Several people at the flag at once, on terminals, and processes that are killed while they move it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { readAudit, verifyAudit } from '../../src/migration/audit.js';
import { readFlagFile } from '../../src/migration/flag-file.js';
import { openDatabase } from '../../src/storage/sqlite.js';
import { eventually } from '../await.js';
import { startCli } from './cli.js';
import { flagFolder, openGate, putFlag } from './flag-stage.js';
import { KEYS, startOnTerminal, terminalsToBeHad } from './pseudo-terminal.js';

const SHADOW = { stage: 'shadow', percent: 100 } as const;
const KILL_RUNS = Number(process.env.KILL_RUNS ?? 12);

describe.skipIf(!terminalsToBeHad)('flag set on a terminal', () => {
  it('shows what would change and asks; Enter does not go forward, y does', async () => {
    const { options, stands } = await openGate();
    const args = ['flag', 'set', 'live', '--percent', '5', '--reason', 'a month SAFE'];
    const no = startOnTerminal(args, options);
    await no.shows('Move the flag from shadow to live at 5 %?');
    expect(no.shown()).toContain('ok      verdict       SAFE: ');
    no.types(KEYS.enter);
    expect(await no.ended).toBe(130);
    expect(no.shown()).toContain('Nothing was changed.');
    expect(stands()).toEqual(SHADOW);

    const yes = startOnTerminal(args, options);
    await yes.shows('Move the flag from shadow to live at 5 %?');
    yes.types('y', KEYS.enter);
    expect(await yes.ended).toBe(0);
    expect(stands()).toEqual({ stage: 'live', percent: 5 });
  });

  it('Enter goes back', async () => {
    const { options, file, stands } = flagFolder();
    await putFlag(file, { stage: 'live', percent: 100 });
    const run = startOnTerminal(['flag', 'off'], options);
    await run.shows('Move the flag from live to shadow?');
    run.types(KEYS.enter);
    expect(await run.ended).toBe(0);
    expect(stands()).toEqual(SHADOW);
  });

  it('Ctrl-C at the question changes nothing', async () => {
    const { options, file } = flagFolder();
    const run = startOnTerminal(['flag', 'set', 'publish', '--reason', 'why'], options);
    await run.shows('Move the flag from off to publish?');
    run.types(KEYS.interrupt);
    expect(await run.ended).toBe(130);
    expect(readFlagFile(file).hash).toBeNull();
  });

  it('of two operators at the same question the first wins, and the second is told who, when and to what', async () => {
    const { options, file, stands } = flagFolder();
    await putFlag(file, SHADOW);
    const start = (by: string, stage: string) => startOnTerminal(['flag', 'set', stage, '--by', by], options);
    const rina = start('rina', 'publish');
    const budi = start('budi', 'off');
    await Promise.all([
      rina.shows('Move the flag from shadow to publish?'),
      budi.shows('Move the flag from shadow to off?'),
    ]);
    rina.types('y', KEYS.enter);
    expect(await rina.ended).toBe(0);
    budi.types('y', KEYS.enter);
    expect(await budi.ended).toBe(4);
    expect(budi.shown()).toMatch(/error: .*rina on \S+/);
    expect(budi.shown()).toContain('publish');
    expect(stands()).toEqual({ stage: 'publish', percent: 100 });
  });
});

/** Away with the log that a killed process has left. */
function tidy(path: string): void {
  const database = openDatabase(path, {});
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
}

describe('processes', () => {
  it('that move the flag at the same moment: those that win are in the trail, the others are told', async () => {
    const { options, file, flag } = flagFolder();
    await putFlag(file, SHADOW);
    let won = 0;
    for (let round = 0; round < 4; round++) {
      // From the same state, each to another one: who comes second decided about something that is gone.
      const stages = round % 2 === 0 ? ['publish', 'off'] : ['shadow', 'shadow'];
      const ended = await Promise.all(
        stages.map((stage, at) => {
          const args = [
            'flag',
            'set',
            stage,
            '--force',
            '--reason',
            `r${round}`,
            '--by',
            `person ${at}`,
            '--yes',
          ];
          return startCli(args, { ...options, input: '' }).ended;
        }),
      );
      for (const { exitCode, stdout, stderr } of ended) {
        if (exitCode === 0) won += stdout.startsWith('Moved') ? 1 : 0;
        else
          expect({ exitCode, stderr }).toEqual({
            exitCode: 4,
            stderr: expect.stringMatching(/error: .*person/),
          });
      }
      expect(ended.some(({ exitCode }) => exitCode === 0)).toBe(true);
    }
    expect(readAudit(file).filter(({ action }) => action === 'done')).toHaveLength(won + 1);
    expect((await flag('history', '--verify')).exitCode).toBe(0);
  }, 60_000);

  it('killed at any moment of a move leave the old state or the new one, and the next move works', async () => {
    const { options, file } = flagFolder();
    await putFlag(file, SHADOW);
    const move = (stage: string) =>
      startCli(['flag', 'set', stage, '--force', '--reason', 'why', '--yes'], { ...options, input: '' });
    expect((await move('publish').ended).exitCode).toBe(0);
    const seen = { old: 0, new: 0 };
    for (let run = 0; run < KILL_RUNS; run++) {
      const before = readFlagFile(file).state;
      const bytes = readFileSync(file);
      const to = before.stage === 'publish' ? 'shadow' : 'publish';
      tidy(`${file}.audit.db`);
      const running = move(to);
      // Most of the time Node is starting: it begins with the trail, whose log is there while somebody has it open.
      // On a busy machine it may be through before anybody has looked.
      await eventually(
        'it is at the trail, or over',
        () => existsSync(`${file}.audit.db-wal`) || running.child.exitCode !== null,
        { everyMs: 0 },
      );
      await pause(80 * Math.random());
      running.child.kill('SIGKILL');
      await running.ended;
      const after = readFlagFile(file).state;
      if (after.epoch === before.epoch) {
        expect(readFileSync(file)).toEqual(bytes);
        seen.old++;
      } else {
        expect(after).toMatchObject({ stage: to, percent: 100, epoch: before.epoch + 1 });
        seen.new++;
      }
      expect(verifyAudit(file).problems).toEqual([]);
    }
    console.log(`${KILL_RUNS} kills: ${seen.old} left the old state, ${seen.new} the new one`);
    expect((await move('off').ended).exitCode).toBe(0);
    expect(verifyAudit(file).problems).toEqual([]);
    expect(readdirSync(dirname(file)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  }, 600_000);
});
