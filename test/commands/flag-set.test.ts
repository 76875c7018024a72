import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readAudit } from '../../src/migration/audit.js';
import { readFlagFile } from '../../src/migration/flag-file.js';
import { eventually } from '../await.js';
import { runCli } from './cli.js';
import { CONTROLS, flagFolder, openGate, publishOne, putFlag } from './flag-stage.js';

const SHADOW = { stage: 'shadow', percent: 100 } as const;
const LIVE = { stage: 'live', percent: 100 } as const;

describe('flag set', () => {
  it('moves forward with a reason, and records who, when and why', async () => {
    const { flag, file, stands } = flagFolder();
    const { exitCode, stdout, stderr } = await flag(
      'set',
      'publish',
      '--reason',
      'outboxes are in place',
      '--yes',
    );
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: 'Moved from off to publish (epoch 1). Services that watch the file see it within 2 seconds.\n',
    });
    expect(stderr).toContain('The gate is open:');
    expect(stands()).toEqual({ stage: 'publish', percent: 100 });
    expect(readAudit(file)).toMatchObject([
      {
        action: 'done',
        by: expect.stringMatching(/^rina on /),
        reason: 'outboxes are in place',
        forced: false,
      },
    ]);
  });

  it('prints one document whose names are a contract', async () => {
    const { flag } = flagFolder();
    const { exitCode, stdout } = await flag('set', 'publish', '--reason', 'why', '--yes', '--json');
    expect(exitCode).toBe(0);
    const document = JSON.parse(stdout);
    expect(Object.keys(document)).toEqual([
      ...[
        'changed',
        'dryRun',
        'forced',
        'proposed',
        'from',
        'to',
        'epoch',
        'changedAt',
        'changedBy',
        'reason',
        'gate',
      ],
    ]);
    expect(document).toMatchObject({
      ...{ changed: true, dryRun: false, forced: false, proposed: false, epoch: 1, reason: 'why' },
      from: { stage: 'off', percent: 100 },
      to: { stage: 'publish', percent: 100 },
      gate: { to: { stage: 'publish', percent: 100 }, open: true },
    });
  });

  it('to where the flag stands changes nothing, and needs neither gate nor --yes', async () => {
    const { flag, file } = flagFolder();
    await putFlag(file, { stage: 'live', percent: 25 });
    const before = readFileSync(file);
    const { exitCode, stdout } = await flag('set', 'live', '--percent', '25');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Nothing to do: the flag stands at live at 25 % since /);
    const json = await flag('set', 'live', '--percent', '25', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ changed: false, gate: null, epoch: 1 });
    expect(readFileSync(file)).toEqual(before);
  });

  it.each([[['set', 'shadow']], [['off']]])(
    'goes back at once, without gate or reason, with the broker away: %j',
    async (args) => {
      const { flag, file, stands } = flagFolder();
      await putFlag(file, { stage: 'complete', percent: 100 });
      const { exitCode, stdout } = await flag(...args, '--yes', '--url', 'amqp://127.0.0.1:1');
      expect(exitCode).toBe(0);
      expect(stdout).toContain('Moved from complete to shadow (epoch 2).');
      expect(stdout).toContain('USE_EVENT_DRIVEN=false now.');
      expect(stands()).toEqual(SHADOW);
      expect(readAudit(file).at(-1)).toMatchObject({ forced: false, reason: '' });
    },
  );

  it.each(['off', 'publish'] as const)('off never moves forward: %s stays', async (stage) => {
    const { flag, file, stands } = flagFolder();
    await putFlag(file, { stage, percent: 100 });
    const { exitCode, stdout } = await flag('off', '--yes');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(new RegExp(`^Nothing to do: the flag stands at ${stage} `));
    expect(stands()).toEqual({ stage, percent: 100 });
  });

  it('off goes back from a percentage on the way to live, for all jobs', async () => {
    const { flag, file, stands } = flagFolder();
    await putFlag(file, { stage: 'live', percent: 25 });
    expect((await flag('off', '--yes')).exitCode).toBe(0);
    expect(stands()).toEqual(SHADOW);
  });

  it('without a terminal and without --yes changes nothing where the gate is open, and is refused where it is not', async () => {
    const { flag, file, stands } = flagFolder();
    await putFlag(file, SHADOW);
    expect(await flag('set', 'publish')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('needs --yes'),
    });
    expect(await flag('set', 'live', '--reason', 'why')).toMatchObject({ exitCode: 4 });
    expect(stands()).toEqual(SHADOW);
  });

  it('the gate refuses with exit 4, every check that failed and what to do, and changes nothing', async () => {
    const { flag, file, stands } = flagFolder();
    await putFlag(file, SHADOW);
    for (const args of [
      ['set', 'rampdown', '--yes'],
      ['on', '--yes'],
    ]) {
      const { exitCode, stdout, stderr } = await flag(...args);
      expect({ exitCode, stdout }).toEqual({ exitCode: 4, stdout: '' });
      expect(stderr).toContain('not in order. Nothing was changed.');
      for (const check of ['reason', 'verdict', 'consumers']) expect(stderr).toContain(`\n  ${check}: `);
      expect(stderr.includes('\n  step: ')).toBe(args[1] === 'rampdown');
    }
    const { exitCode, stdout } = await flag('on', '--yes', '--json');
    expect(exitCode).toBe(4);
    expect(JSON.parse(stdout)).toMatchObject({ changed: false, gate: { open: false } });
    expect(stands()).toEqual(SHADOW);
    expect(readAudit(file)).toHaveLength(1);
  });

  it('passes a gate that is open, and keeps the evidence', async () => {
    const { flag, file, stands, cwd } = await openGate();
    const { exitCode, stdout, stderr } = await flag('on', '--reason', 'a month SAFE', '--yes');
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toContain('USE_EVENT_DRIVEN=true now.');
    expect(stands()).toEqual(LIVE);
    expect(readAudit(file).at(-1)).toMatchObject({
      reason: 'a month SAFE',
      forced: false,
      evidence: { verdict: { verdict: 'SAFE', source: join(cwd, '.atma-events', 'shadow.db') }, failed: [] },
    });
  });

  it('takes the verdict from a file, too', async () => {
    const { flag, cwd, options } = await openGate({ how: 'ended' });
    const { stdout } = await runCli(['shadow', 'verdict', '--json'], options);
    writeFileSync(join(cwd, 'verdict.json'), stdout);
    const args = ['set', 'live', '--percent', '5', '--reason', 'why', '--dry-run', '--json'];
    const opened = await flag(...args, '--verdict', 'verdict.json');
    expect(JSON.parse(opened.stdout)).toMatchObject({ gate: { open: true } });
    const none = await flag(...args, '--store', 'none.db');
    expect(JSON.parse(none.stdout)).toMatchObject({ gate: { open: false } });
    const both = await flag(...args, '--verdict', 'verdict.json', '--store', 'none.db');
    expect(both).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('two sources') });
  });

  it('with dead letters is refused until they are explained', async () => {
    const { flag, file, transport, handle } = await openGate();
    handle((delivery) => delivery.reject());
    await publishOne(transport);
    await eventually('it is dead', async () => {
      return (await transport.counts('analysis_events_assessments_dlq'))?.ready === 1;
    });
    const args = ['set', 'live', '--percent', '5', '--reason', 'why', '--yes'];
    const refused = await flag(...args);
    expect(refused).toMatchObject({ exitCode: 4, stderr: expect.stringContaining('--dlq-explained') });
    const explained = await flag(...args, '--dlq-explained', 'of last year, ticket 3');
    expect(explained.exitCode, explained.stderr).toBe(0);
    expect(readAudit(file).at(-1)?.evidence).toMatchObject({
      deadLettersExplained: 'of last year, ticket 3',
    });
  });

  it('--force moves though the gate refuses, and that is on record; not without a reason', async () => {
    const { flag, file, stands } = flagFolder();
    await putFlag(file, SHADOW);
    expect((await flag('set', 'live', '--force', '--yes')).exitCode).toBe(4);
    const { exitCode, stdout, stderr } = await flag(
      'set',
      'live',
      '--force',
      '--yes',
      '--reason',
      'drill',
      '--json',
    );
    expect(exitCode, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ changed: true, forced: true, gate: { open: true } });
    expect(stands()).toEqual(LIVE);
    expect(readAudit(file).at(-1)).toMatchObject({
      forced: true,
      evidence: { failed: [{ check: 'verdict' }, { check: 'consumers' }] },
    });
  });

  it('--dry-run shows the same and changes nothing', async () => {
    const { flag, file } = flagFolder();
    const { exitCode, stdout } = await flag('set', 'publish', '--reason', 'why', '--dry-run');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Then (USE_EVENT_DRIVEN=false):');
    expect(stdout).toContain('Dry run: nothing was changed.');
    const json = await flag('set', 'publish', '--reason', 'why', '--dry-run', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ changed: false, dryRun: true, epoch: 1 });
    expect((await flag('set', 'live', '--reason', 'why', '--dry-run')).exitCode).toBe(4);
    expect([existsSync(file), existsSync(`${file}.audit.db`)]).toEqual([false, false]);
  });

  it('begins rampdown with the sample of the config, and --sample changes it', async () => {
    const { flag, file, cwd } = flagFolder();
    writeFileSync(
      join(cwd, 'atma-events.config.json'),
      JSON.stringify({ preset: 'atma', flag: { sample: 25 } }),
    );
    await putFlag(file, LIVE);
    const sampleOf = () =>
      JSON.parse(readFileSync(file, 'utf8')).flags['migration-stage'].metadata.samplePercent;
    await flag('set', 'rampdown', '--force', '--reason', 'why', '--yes');
    expect(sampleOf()).toBe(25);
    const { exitCode } = await flag('set', 'rampdown', '--sample', '30', '--yes');
    expect({ exitCode, sample: sampleOf() }).toEqual({ exitCode: 0, sample: 30 });
  });

  it.each([[['rampdown']], [['rampdown', '--percent', '99']]])(
    'asks the gate before fewer callbacks are sent, also where the stage stays or goes back: %j',
    async (to) => {
      const { flag, file, stands } = flagFolder();
      await putFlag(file, { stage: 'rampdown', percent: 100 });
      const less = ['set', ...to, '--sample', '0', '--reason', 'why', '--yes'];
      const refused = await flag(...less);
      expect(refused.exitCode).toBe(4);
      expect(refused.stderr).toContain('\n  verdict: ');
      expect(stands()).toEqual({ stage: 'rampdown', percent: 100 });
      const forced = await flag(...less, '--force');
      expect(forced.exitCode, forced.stderr).toBe(0);
      expect(readAudit(file).at(-1)).toMatchObject({ forced: true, sample: { from: 10, to: 0 } });
      expect((await flag('history', '--limit', '1')).stdout).toContain('sample of rampdown: 10 % → 0 %');
    },
  );

  it('goes back though the flag file is broken, once that is moved away, and says so', async () => {
    const { flag, file } = flagFolder();
    await putFlag(file, LIVE);
    writeFileSync(file, '{"flags": {');
    const broken = await flag('off', '--yes');
    expect(broken.exitCode).toBe(2);
    expect(broken.stderr).toContain('Or move it away, and go back to the callbacks: atma-events flag off.');
    rmSync(file);
    const { stderr } = await flag('status');
    expect(stderr).toMatch(/warning: The flag file is gone; .*put it to live\. .*atma-events flag off\.\n/);
    const { exitCode, stdout } = await flag('off', '--yes');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Written anew: off \(epoch 2\)\. /);
    expect(readFlagFile(file).state).toMatchObject({ stage: 'off', epoch: 2 });
    expect((await flag('off', '--yes')).stdout).toMatch(/^Nothing to do/);
  });

  it.each([
    [['set'], 'missing required argument'],
    [['set', 'alive'], 'Allowed choices are off, publish'],
    [['set', 'live', '--percent', '0'], 'whole number from 1'],
    [['set', 'live', '--percent', '101', '--yes'], 'from 1 to 100'],
    [['set', 'off', '--percent', '5', '--yes'], 'no stage before off'],
    [['set', 'rampdown', '--sample', '101', '--yes'], 'from 0 to 100'],
    [['set', 'publish', '--reason', 'why'], 'needs --yes'],
    [['off'], 'Nothing to do'],
  ])('answers %j', async (args, text) => {
    const { flag, file } = flagFolder();
    const { exitCode, stdout, stderr } = await flag(...args);
    expect(stdout + stderr).toContain(text);
    expect(exitCode).toBe(args[0] === 'off' ? 0 : 2);
    expect(existsSync(file)).toBe(false);
  });

  it('writes neither control characters nor secrets, whatever it is told', async () => {
    const { flag, file } = flagFolder();
    const reason = 'see amqp://u:geheim@h \u001b]0;owned\u0007 of rina@example.com\nand more';
    const { stdout, stderr } = await flag(
      'set',
      'publish',
      '--reason',
      reason,
      '--by',
      'eve@example.com\u001b[2J',
      '--yes',
    );
    const { stdout: history } = await flag('history');
    for (const text of [stdout + stderr, history, readFileSync(file, 'utf8')]) {
      expect(text).not.toMatch(CONTROLS);
      expect(text).not.toMatch(/geheim|rina@|eve@/);
    }
    expect(history).toContain('of ***@example.com and more');
  });

  it('says what is wrong where the folder cannot be written', async () => {
    const { cwd } = flagFolder();
    writeFileSync(join(cwd, 'file'), '');
    const { flag } = flagFolder(cwd, join(cwd, 'file', 'flags.json'));
    const { exitCode, stderr } = await flag('set', 'publish', '--reason', 'why', '--yes');
    expect(exitCode).toBe(1);
    expect(stderr).not.toContain('defect');
  });
});

describe('with a second person in the config', () => {
  async function twoPeople() {
    const folder = await openGate();
    const config = JSON.parse(readFileSync(join(folder.cwd, 'atma-events.config.json'), 'utf8'));
    writeFileSync(
      join(folder.cwd, 'atma-events.config.json'),
      JSON.stringify({ ...config, flag: { secondPerson: true } }),
    );
    return folder;
  }

  it('the first one proposes, exit 4, and the second one moves', async () => {
    const { flag, file, stands } = await twoPeople();
    const args = ['set', 'live', '--percent', '5', '--reason', 'a month SAFE', '--yes'];
    for (let again = 0; again < 2; again++) {
      const first = await flag(...args, '--by', 'rina');
      expect(first.exitCode).toBe(4);
      expect(first.stderr).toMatch(/error: Proposed live at 5 % as rina on \S+\. It takes a second person/);
      expect(first.stderr).toContain('atma-events flag set live --percent 5 --reason');
      expect(stands()).toEqual(SHADOW);
    }
    const second = await flag(...args, '--by', 'budi');
    expect(second.exitCode, second.stderr).toBe(0);
    expect(stands()).toEqual({ stage: 'live', percent: 5 });
    expect(readAudit(file).map(({ action }) => action)).toEqual(['done', 'proposal', 'proposal', 'done']);
  });

  it('proposes nothing while something else is missing, or with --dry-run', async () => {
    const { flag, file } = await twoPeople();
    const args = ['set', 'live', '--percent', '5', '--yes', '--json'];
    const unclear = await flag(...args);
    expect(JSON.parse(unclear.stdout)).toMatchObject({ changed: false, proposed: false });
    const dry = await flag(...args, '--reason', 'why', '--dry-run');
    expect(JSON.parse(dry.stdout)).toMatchObject({ proposed: false });
    expect(dry.exitCode).toBe(4);
    expect(readAudit(file)).toHaveLength(1);
  });
});
