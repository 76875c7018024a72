import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Position } from '../../src/core/migration/stage.js';
import { moveFlag } from '../../src/migration/flip.js';
import { atma } from '../../src/presets/atma.js';
import { describeOnBothBrokers, withTransport } from './brokers.js';
import { runCli, temporaryFolder } from './cli.js';
import { die } from './dying.js';
import { CONTROLS, flagFolder, openGate, putFlag } from './flag-stage.js';
import { startOnTerminal, terminalsToBeHad } from './pseudo-terminal.js';

const SHADOW = { stage: 'shadow', percent: 100 } as const;
const UNREACHABLE = 'amqp://u:geheim@127.0.0.1:1';

describe('flag', () => {
  it('without a flag file is off, and makes neither file nor broker', async () => {
    const cwd = temporaryFolder();
    const { exitCode, stdout, stderr } = await runCli(['flag'], { cwd });
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^off \(epoch 0\)\nUSE_EVENT_DRIVEN=false\n/);
    expect(stdout).toContain('Next: publish. The gate is open:');
    expect(stdout).toContain('atma-events flag set publish --reason "…"');
    expect(stderr).toContain(`There is no flag file ${join(cwd, '.atma-events', 'flags.json')}`);
    expect(readdirSync(cwd)).toEqual([]);
  });

  it.each([[['set', 'publish', '--reason', 'why', '--yes']], [['off']], [[]], [['watch', '--for', '1ms']]])(
    'warns that services do not look at a flag file that nobody has named: %j',
    async (args) => {
      const cwd = temporaryFolder();
      const warning = `warning: Nobody has named the flag file, so it is ${join(cwd, '.atma-events', 'flags.json')}. Services never`;
      const { exitCode, stderr } = await runCli(['flag', ...args, '--quiet'], { cwd });
      expect(exitCode).toBe(0);
      expect(stderr).toContain(warning);
      expect(stderr.match(/Nobody has named/g)).toHaveLength(1);
    },
  );

  it.each<[string, string[], Record<string, string>, object]>([
    ['--file', ['--file', 'a.json'], {}, {}],
    ['the variable', [], { ATMA_EVENTS_FLAG_FILE: 'b.json' }, {}],
    ['the config', [], {}, { flag: { file: 'c.json' } }],
  ])('does not warn where %s names it', async (_, args, env, config) => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'atma-events.config.json'), JSON.stringify(config));
    const { exitCode, stderr } = await runCli(['flag', ...args], { cwd, env });
    expect(exitCode).toBe(0);
    expect(stderr).not.toContain('warning');
  });

  it('makes no broker where it asks one', async () => {
    const folder = flagFolder();
    await putFlag(folder.file, { stage: 'shadow', percent: 100 });
    const { exitCode, stdout } = await folder.flag();
    expect(exitCode).toBe(0);
    expect(stdout).toContain('not ok  consumers');
    expect(existsSync(join(folder.cwd, '.atma-events', 'broker.db'))).toBe(false);
  });

  it('prints one document whose names are a contract', async () => {
    const folder = flagFolder();
    await putFlag(folder.file, { stage: 'live', percent: 25 }, 'first quarter');
    const { exitCode, stdout } = await folder.flag('--json');
    expect(exitCode).toBe(0);
    const document = JSON.parse(stdout);
    expect(Object.keys(document)).toEqual([
      ...['stage', 'percent', 'useEventDriven', 'epoch', 'changedAt', 'changedBy', 'reason', 'gate'],
    ]);
    expect(document).toMatchObject({
      stage: 'live',
      percent: 25,
      useEventDriven: false,
      epoch: 1,
      changedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      changedBy: 'budi on elsewhere',
      reason: 'first quarter',
      gate: { to: { stage: 'live', percent: 100 }, open: false },
    });
    expect(Object.keys(document.gate)).toEqual(['to', 'open', 'checks']);
    expect(document.gate.checks.map(({ check }: { check: string }) => check)).toEqual([
      ...['step', 'verdict', 'dead-letters', 'consumers'],
    ]);
    for (const check of document.gate.checks) expect(Object.keys(check)).toEqual(['check', 'ok', 'text']);
  });

  it.each<[Position, boolean, string]>([
    [{ stage: 'publish', percent: 100 }, false, 'published, only observed  callbacks'],
    [{ stage: 'live', percent: 100 }, true, 'sent, marked dry run  consumed, applied  events'],
    [{ stage: 'rampdown', percent: 100 }, true, '10 % sent, marked dry run  consumed, applied  events'],
  ])('in %j shows what both paths do', async (position, useEventDriven, text) => {
    const folder = flagFolder();
    await putFlag(folder.file, position);
    const { stdout } = await folder.flag();
    expect(stdout).toContain(`USE_EVENT_DRIVEN=${useEventDriven}\n`);
    expect(stdout).toContain(text);
  });

  it('of a percentage shows both shares of the jobs', async () => {
    const folder = flagFolder();
    await putFlag(folder.file, { stage: 'live', percent: 25 });
    const { stdout } = await folder.flag();
    expect(stdout).toMatch(/^live at 25 % since \S+ by budi on elsewhere \(epoch 1\): for the test\n/);
    expect(stdout).toMatch(/^live +25 % +sent, marked dry run +consumed, applied +events$/m);
    expect(stdout).toMatch(/^shadow +75 % +sent, applied +consumed in dry run +callbacks$/m);
  });

  it('in complete has no next step', async () => {
    const folder = flagFolder();
    await putFlag(folder.file, { stage: 'complete', percent: 100 });
    expect(JSON.parse((await folder.flag('--json')).stdout)).toMatchObject({
      gate: null,
      useEventDriven: true,
    });
    expect((await folder.flag()).stdout).toContain('There is no next step');
  });

  it('says that the gate is open where nothing is in its way', async () => {
    const { flag } = await openGate();
    const { stdout } = await flag('--json');
    expect(JSON.parse(stdout).gate).toMatchObject({ to: { stage: 'live', percent: 100 }, open: true });
    expect((await flag()).stdout).toContain('ok      verdict       SAFE: ');
  });

  it('with the broker away shows the checks that need it as not ok, in the time that --timeout gives', async () => {
    const folder = flagFolder();
    await putFlag(folder.file, { stage: 'shadow', percent: 100 });
    const begun = performance.now();
    const { exitCode, stdout, stderr } = await folder.flag('--json', '--url', UNREACHABLE, '--timeout', '1s');
    // Twice a second would be two waits; starting Node is in here.
    expect(performance.now() - begun).toBeLessThan(4_000);
    expect(exitCode).toBe(0);
    const { gate } = JSON.parse(stdout);
    const broken = gate.checks.filter(({ ok }: { ok: boolean }) => !ok);
    expect(broken.map(({ check }: { check: string }) => check)).toEqual([
      'verdict',
      'dead-letters',
      'consumers',
    ]);
    expect(stdout).toContain('cannot be known');
    expect(stdout + stderr).not.toContain('geheim');
  });

  it('tells of a move that was cut off, and what came of it', async () => {
    const folder = flagFolder();
    const expected = await putFlag(folder.file, SHADOW);
    await moveFlag(
      {
        ...{
          file: folder.file,
          to: { stage: 'publish', percent: 100 },
          expected,
          by: 'rina on a',
          reason: 'why',
        },
        ...{ forced: false, evidence: null, now: Date.now },
      },
      {
        step(name) {
          if (name === 'renamed') throw new Error('cut off here');
        },
      },
    );
    const { exitCode, stdout, stderr } = await folder.flag();
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^publish since /);
    expect(stderr).toMatch(
      /warning: The move from shadow to publish \(rina on a, \S+\) was cut off.* it happened\.\n/,
    );
    expect((await folder.flag('history', '--limit', '1')).stdout).toContain(
      'cut off, or being made right now',
    );
  });

  it('shows where the flag stands though its trail cannot be read, and keeps the gate closed', async () => {
    const folder = flagFolder();
    await putFlag(folder.file, SHADOW);
    for (const end of ['-wal', '-shm']) rmSync(`${folder.file}.audit.db${end}`, { force: true });
    writeFileSync(
      `${folder.file}.audit.db`,
      'no database, but longer than the header of one would be\n'.repeat(100),
    );
    const { exitCode, stdout, stderr } = await folder.flag('--json');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.stringContaining('warning: ') });
    expect(JSON.parse(stdout)).toMatchObject({ stage: 'shadow', gate: { open: false, checks: [] } });
  });

  it('refuses a file that is no flag file, and says what to do', async () => {
    const folder = flagFolder();
    writeFileSync(folder.file, '{"flags": {');
    const { exitCode, stdout, stderr } = await folder.flag();
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain('is not JSON, or only a part of it');
    expect(JSON.parse((await folder.flag('--json')).stdout)).toMatchObject({
      error: { code: 'flag-invalid' },
    });
  });

  it('shows no control character, password or e-mail address that somebody wrote into the file', async () => {
    const folder = flagFolder();
    const metadata = {
      changedBy: 'eve@example.com\u001b[2J',
      reason: 'see amqp://u:geheim@h\u202e\u0007 or rina@example.com',
    };
    const flags = {
      'migration-stage': { state: 'ENABLED', variants: { off: 'off' }, defaultVariant: 'off', metadata },
    };
    writeFileSync(folder.file, JSON.stringify({ flags }));
    for (const args of [[], ['--json'], ['env', '.env'], ['watch', '--for', '1ms']]) {
      const { stdout, stderr } = await folder.flag(...args);
      expect(stdout + stderr).not.toMatch(CONTROLS);
      expect(stdout + stderr).not.toMatch(/geheim|rina@|eve@/);
    }
  });

  it('takes the file of --file before that of the variable, and that before the config', async () => {
    const cwd = temporaryFolder();
    const place = async (name: string, stage: Position['stage']) =>
      void (await putFlag(join(cwd, name), { stage, percent: 100 }));
    await place('a.json', 'publish');
    await place('b.json', 'live');
    await place('c.json', 'complete');
    writeFileSync(join(cwd, 'atma-events.config.json'), JSON.stringify({ flag: { file: 'c.json' } }));
    const stageOf = async (args: string[], env: Record<string, string>) =>
      JSON.parse((await runCli(['flag', '--json', ...args], { cwd, env })).stdout).stage;
    const env = { ATMA_EVENTS_FLAG_FILE: 'b.json' };
    expect(await stageOf(['--file', 'a.json'], env)).toBe('publish');
    expect(await stageOf([], env)).toBe('live');
    expect(await stageOf([], {})).toBe('complete');
  });

  it.skipIf(!terminalsToBeHad)('shows the same on a terminal', async () => {
    const folder = flagFolder();
    const run = startOnTerminal(['flag'], folder.options);
    expect(await run.ended).toBe(0);
    expect(run.shown()).toContain('Next: publish. The gate is open:');
  });
});

describeOnBothBrokers('flag', (broker) => {
  it('looks at the dead letters and the consumers of the broker', async () => {
    await withTransport(broker, (transport) => transport.apply(atma.build(broker.env).topology));
    await die(broker, 2);
    const folder = flagFolder();
    await putFlag(folder.file, { stage: 'shadow', percent: 100 });
    const { exitCode, stdout } = await runCli(
      ['flag'],
      broker.options({ cwd: folder.cwd, env: folder.options.env ?? {} }),
    );
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`not ok  dead-letters  Dead letters: 2 in ${broker.notifications}_dlq.`);
    expect(stdout).toContain(`atma-events dlq groups ${broker.notifications}_dlq`);
    expect(stdout).toContain('not ok  consumers     Nobody consumes');
  });
});
