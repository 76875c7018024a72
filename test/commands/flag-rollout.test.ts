import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../src/core/transport.js';
import { readAudit } from '../../src/migration/audit.js';
import { eventually } from '../await.js';
import { runCli, startCli, temporaryFolder } from './cli.js';
import { flagFolder, openGate, publishOne, putFlag } from './flag-stage.js';
import { KEYS, startOnTerminal, terminalsToBeHad } from './pseudo-terminal.js';

const SHADOW = { stage: 'shadow', percent: 100 } as const;
const LIVE = { stage: 'live', percent: 100 } as const;
const ROLLOUT = ['rollout', '--to', 'live', '--reason', 'a month SAFE', '--yes'];
const QUICK = [...ROLLOUT, '--steps', '50,100', '--every', '400ms'];
const SLOW = [...ROLLOUT, '--steps', '50,100', '--every', '1m'];

const linesOf = (stdout: string) =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

describe('flag rollout', () => {
  it('takes each step once the one before was well, and tells it as lines of JSON whose names are a contract', async () => {
    const { flag, file, stands } = await openGate();
    const { exitCode, stdout, stderr } = await flag(...QUICK, '--json');
    expect(exitCode, stderr).toBe(0);
    expect(stands()).toEqual(LIVE);
    const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(linesOf(stdout)).toEqual([
      { at, event: 'moved', stage: 'live', percent: 50, nextAt: at },
      { at, event: 'moved', stage: 'live', percent: 100, nextAt: at },
      { at, event: 'ended', outcome: 'done', stage: 'live', percent: 100 },
    ]);
    const [, ...steps] = readAudit(file);
    expect(steps.map(({ to, reason }) => [to.percent, reason])).toEqual([
      [50, 'a month SAFE'],
      [100, 'a month SAFE'],
    ]);
    expect(steps.every(({ rollout, forced, evidence }) => rollout && !forced && evidence)).toBe(true);
  });

  it('tells people on stderr how it goes, and on stdout how it ended', async () => {
    const { flag } = await openGate();
    const { exitCode, stdout, stderr } = await flag(...QUICK);
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toBe('Done: the flag stands at live.\n');
    expect(stderr).toContain('From shadow to live for 50 %, 100 % of the jobs');
    expect(stderr).toMatch(/^\S+Z moved to live at 50 %; watched for /m);
  });

  it('goes back by itself when dead letters come, exit 4', async () => {
    const { options, file, stands, transport, handle } = await openGate();
    handle((delivery) => delivery.reject());
    const running = startCli(['flag', ...SLOW, '--every', '4s'], options);
    await running.says('moved to live at 50 %');
    await publishOne(transport);
    const { exitCode, stdout } = await running.ended;
    expect(stdout).toMatch(
      /^Went back: the flag stands at shadow\. Why: 2 dead letters more than when the rollout began/,
    );
    expect(exitCode).toBe(4);
    expect(stands()).toEqual(SHADOW);
    expect(readAudit(file).at(-1)).toMatchObject({
      reason: expect.stringContaining('went back: 2 dead letters'),
    });
  });

  it('pauses while too much waits, and goes on when it is well again', async () => {
    const { options, stands, transport, handle } = await openGate();
    const held: Delivery[] = [];
    handle((delivery) => held.push(delivery));
    for (let sent = 0; sent < 4; sent++) await publishOne(transport);
    const running = startCli(['flag', ...QUICK, '--max-lag', '2'], options);
    await running.says('paused at live at 50 %: 3 messages wait in analysis_events_assessments, more than 2');
    expect(stands()).toEqual({ stage: 'live', percent: 50 });
    handle((delivery) => delivery.ack());
    for (const delivery of held) await delivery.ack();
    const { exitCode, stderr } = await running.ended;
    expect(stderr).toContain('well again at live at 50 %');
    expect(exitCode).toBe(0);
    expect(stands()).toEqual(LIVE);
  });

  it('gives up a pause that lasts too long, exit 6, and leaves the flag where it is', async () => {
    const { flag, stands, transport, handle } = await openGate();
    handle(() => {});
    for (let sent = 0; sent < 4; sent++) await publishOne(transport);
    const { exitCode, stdout, stderr } = await flag(
      ...QUICK,
      '--max-lag',
      '2',
      '--max-pause',
      '300ms',
      '--json',
    );
    expect(exitCode, stderr).toBe(6);
    expect(linesOf(stdout).map(({ event, outcome }) => outcome ?? event)).toEqual([
      'moved',
      'paused',
      'gave-up',
    ]);
    expect(stands()).toEqual({ stage: 'live', percent: 50 });
  });

  it('interrupted leaves the flag where it is, exit 130, and goes on from there when it is started again', async () => {
    const { flag, options, stands } = await openGate();
    const running = startCli(['flag', ...SLOW, '--json'], options);
    await eventually('the first step is taken', () => running.stdout().includes('"moved"'));
    running.child.kill('SIGINT');
    const { exitCode, stdout } = await running.ended;
    expect(exitCode).toBe(130);
    expect(linesOf(stdout).at(-1)).toMatchObject({ event: 'ended', outcome: 'interrupted', paused: false });
    expect(stands()).toEqual({ stage: 'live', percent: 50 });
    const again = await flag(...QUICK, '--json');
    expect(linesOf(again.stdout).map(({ event, percent }) => [event, percent])).toEqual([
      ['moved', 100],
      ['ended', 100],
    ]);
    expect(again.exitCode).toBe(0);
  });

  it('killed leaves a step, and what goes on later still knows where to go back to', async () => {
    const { flag, options, file, stands } = await openGate();
    const running = startCli(['flag', ...SLOW], options);
    await running.says('moved to live at 50 %');
    running.child.kill('SIGKILL');
    await running.ended;
    expect(stands()).toEqual({ stage: 'live', percent: 50 });
    expect(readAudit(file).at(-1)).toMatchObject({ settled: true });
    const { stdout } = await flag(...SLOW, '--dry-run');
    expect(stdout).toContain('From live at 50 % to live for 100 % of the jobs');
    expect(stdout).toContain('Back to shadow:');
  });

  it('ends when somebody else moves the flag, exit 4, and leaves it where they put it', async () => {
    const { options, file, stands } = await openGate();
    const running = startCli(['flag', ...SLOW, '--every', '2s'], options);
    await running.says('moved to live at 50 %');
    await putFlag(file, { stage: 'publish', percent: 100 });
    const { exitCode, stdout } = await running.ended;
    expect(stdout).toContain('Ended: budi on elsewhere moved the flag to publish meanwhile');
    expect(exitCode).toBe(4);
    expect(stands()).toEqual({ stage: 'publish', percent: 100 });
  });

  it('the gate refuses the first step: exit 4, every check that failed, nothing changed', async () => {
    const { flag, file, stands } = flagFolder();
    await putFlag(file, SHADOW);
    const { exitCode, stdout, stderr } = await flag(...QUICK);
    expect({ exitCode, stdout }).toEqual({ exitCode: 4, stdout: '' });
    expect(stderr).toContain('The gate refuses live at 50 %');
    for (const check of ['verdict', 'consumers']) expect(stderr).toContain(`\n  ${check}: `);
    const json = await flag(...QUICK, '--json');
    expect(linesOf(json.stdout)).toMatchObject([
      { event: 'ended', outcome: 'refused', gate: { open: false } },
    ]);
    expect(stands()).toEqual(SHADOW);
  });

  it('--dry-run shows the steps and the gate, and changes nothing', async () => {
    const { flag, stands, file } = await openGate();
    const { exitCode, stdout } = await flag(...SLOW, '--dry-run', '--json');
    expect(exitCode).toBe(0);
    const document = JSON.parse(stdout);
    expect(Object.keys(document)).toEqual(['dryRun', 'from', 'steps', 'everyMs', 'limits', 'gate']);
    expect(document).toMatchObject({
      from: SHADOW,
      steps: [{ stage: 'live', percent: 50 }, LIVE],
      everyMs: 60_000,
      limits: { lag: 1000, dlqGrowth: 0, errorRate: 0.01 },
      gate: { open: true },
    });
    expect((await flag(...SLOW, '--dry-run')).stdout).toContain('Dry run: nothing was changed.');
    expect(stands()).toEqual(SHADOW);
    expect(readAudit(file)).toHaveLength(1);
  });

  it('with a second person in the config, the first one proposes it and the second one begins', async () => {
    const { flag, cwd, stands } = await openGate();
    const path = join(cwd, 'atma-events.config.json');
    const config = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...config, flag: { secondPerson: true } }));
    const first = await flag(...QUICK, '--by', 'rina');
    expect(first.exitCode).toBe(4);
    expect(first.stderr).toMatch(/error: Proposed live at 50 % as rina on /);
    expect(stands()).toEqual(SHADOW);
    const second = await flag(...QUICK, '--by', 'budi');
    expect(second.exitCode, second.stderr).toBe(0);
    expect(stands()).toEqual(LIVE);
  });

  it.each([
    [['rollout', '--reason', 'x', '--yes'], "required option '--to"],
    [['rollout', '--to', 'off', '--yes'], 'Allowed choices are publish'],
    [[...ROLLOUT, '--steps', '5,1'], 'growing percentages'],
    [[...ROLLOUT, '--steps', '5,,9'], 'growing percentages'],
    [[...ROLLOUT, '--steps', '0,9'], 'growing percentages'],
    [[...ROLLOUT, '--every', 'soon'], 'not a duration'],
    [[...ROLLOUT, '--max-error-rate', '101'], 'not a percentage'],
    [['rollout', '--to', 'publish', '--reason', 'x'], 'needs --yes'],
  ])('answers %j with exit 2 and what was meant', async (args, text) => {
    const cwd = temporaryFolder();
    const { exitCode, stdout, stderr } = await runCli(['flag', ...args], { cwd });
    expect(stderr).toContain(text);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(existsSync(join(cwd, '.atma-events'))).toBe(false);
  });

  it.skipIf(!terminalsToBeHad)('asks on a terminal before it begins, and Ctrl-C ends it there', async () => {
    const { options, stands } = await openGate();
    const args = ['flag', ...SLOW.filter((each) => each !== '--yes')];
    const run = startOnTerminal(args, options);
    await run.shows('Begin at shadow, with live at 50 % next?');
    expect(stands()).toEqual(SHADOW);
    run.types('y', KEYS.enter);
    await run.shows('moved to live at 50 %');
    run.types(KEYS.interrupt);
    expect(await run.ended).toBe(130);
    expect(run.shown()).toContain('the flag stays at live at 50 %');
  });
});
