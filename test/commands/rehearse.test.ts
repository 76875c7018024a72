/** Whole rehearsals, as people run them. Each takes the better part of a minute, most of it waiting. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Chalk } from 'chalk';
import { describe, expect, it, onTestFinished } from 'vitest';
import { renderRehearsal } from '../../src/commands/rehearse-text.js';
import { queue } from '../../src/core/topology/model.js';
import type { Transport } from '../../src/core/transport.js';
import { createTransport } from '../../src/transports/index.js';
import { eventually } from '../await.js';
import { rabbitInstalled, sharedRabbit } from '../brokers/shared.js';
import { type CliResult, runCli, startCli, temporaryFolder } from './cli.js';
import { KEYS, startOnTerminal, terminalsToBeHad } from './pseudo-terminal.js';

/** One of each in `npm run verify`; 20 in a row in `npm run verify:long`. */
const RUNS = Number(process.env.REHEARSALS ?? '1');
const LIMIT_MS = 240_000;

describe.each(Array.from({ length: RUNS }, (_, run) => run + 1))('rehearsal %i', (_run) => {
  it(
    'on the embedded broker ends well, says so, and leaves nothing behind',
    async () => {
      const folder = temporaryFolder();
      const page = join(folder, 'rehearsal.html');
      const result = await runCli(['rehearse', '--json', '--report', page], {
        env: { TMPDIR: folder },
        cwd: folder,
      });
      const report = endedWell(result);
      expect(report).toMatchObject({
        broker: 'embedded',
        limits: { tolerated: 0.1, cleanLegs: 32, windowMs: 2000 },
      });
      expect(readdirSync(folder).filter((name) => name.startsWith('atma-events-'))).toEqual([]);
      expect(readFileSync(page, 'utf8')).toContain('As it should be');
      expect(shapeOf(renderRehearsal(report, { style: new Chalk({ level: 0 }) }))).toEqual(shapeOf(readme()));
    },
    LIMIT_MS,
  );

  it.skipIf(!rabbitInstalled)(
    'on RabbitMQ ends well, and removes what it made and nothing else',
    async () => {
      const { url, managementUrl } = await sharedRabbit();
      const transport = await createTransport(url, { managementUrl });
      onTestFinished(() => transport.close());
      const foreign = 'rehearsal_of_somebody_else';
      await transport.apply({ exchanges: [], queues: [queue(foreign)], bindings: [] });
      onTestFinished(() => transport.remove({ queues: [foreign] }));
      const result = await runCli(['rehearse', '--json', '--url', url], {
        env: { TMPDIR: temporaryFolder(), RABBITMQ_MANAGEMENT_URL: managementUrl },
      });
      endedWell(result);
      await eventually(
        'nothing of it is left',
        async () => (await namesLike(transport, /^rehearsal_/)).join() === foreign,
      );
    },
    LIMIT_MS,
  );
});

/** What the README shows for the first command. */
function readme(): string {
  const text = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
  const [, block = ''] = text.split('$ npx atma-events rehearse\n');
  return block.slice(0, block.indexOf('\n```'));
}

/** Lines without numbers, which differ from run to run, and without the widths of columns, which follow from them. */
function shapeOf(text: string): string[] {
  return text.split('\n').map((line) =>
    line
      .replace(/\d[\d,.]*/g, 'N')
      .replace(/N (ms|s)\b/g, 'TIME')
      .replace(/ {2,}/g, '  '),
  );
}

/** Field names are typed by hand: they are a public contract. */
function endedWell({ exitCode, stdout, stderr }: CliResult) {
  const report = JSON.parse(stdout);
  expect({ exitCode, problems: report.problems }, stderr).toEqual({ exitCode: 0, problems: [] });
  expect(report).toMatchObject({
    ok: true,
    exactlyOnce: true,
    effects: { missing: 0, doubled: 0, wrongPath: 0, stray: 0 },
    deadLetters: { replayed: 6, purged: 2, left: 0 },
    audit: { entries: 6, problems: [] },
  });
  expect(report.effects.right).toBe(report.effects.expected);
  expect(report.facts).toBeGreaterThan(6 * 160);
  expect(report.stages.map(({ leg, verdict }: Stage) => [leg, verdict?.verdict])).toEqual([
    ['off', undefined],
    ['publish', undefined],
    ['shadow', 'SAFE'],
    ['live', 'SAFE'],
    ['rampdown', 'SAFE'],
    ['complete', undefined],
    ['back', undefined],
  ]);
  expect(report.moves.map(({ to, epoch }: Move) => `${to} ${epoch}`)).toEqual([
    ...['publish 1', 'shadow 2', 'live 3', 'rampdown 4', 'complete 5', 'back 6'],
  ]);
  expect(report.faults).toHaveLength(16);
  expect(report.faults.filter(({ reported }: Fault) => reported === null)).toEqual([]);
  return report;
}

interface Stage {
  readonly leg: string;
  readonly verdict: { readonly verdict: string } | null;
}
interface Move {
  readonly to: string;
  readonly epoch: number;
}
interface Fault {
  readonly fault: string;
  readonly stage: string;
  readonly reported: string | null;
}

describe('a build that was broken on purpose fails the rehearsal', () => {
  it.each([
    ['idempotency', { fault: 'duplicate-publish', stage: 'live' }, /happened more than once/],
    ['confirms', { fault: 'exchange-deleted', stage: 'live' }, /did not happen/],
    [
      'gate',
      { fault: 'drift', stage: 'shadow' },
      /flag set live was let through, though its verdict was not in order/,
    ],
  ])(
    'without %s',
    async (broken, fault, problem) => {
      const { exitCode, stdout, report } = await withFaults([fault], { ATMA_BREAK: broken });
      expect(exitCode, stdout).toBe(4);
      expect(report.ok).toBe(false);
      expect(report.problems.join('\n')).toMatch(problem);
    },
    LIMIT_MS,
  );
});

it(
  'the faults of a file are planted where it says, and each is reported',
  async () => {
    const faults = [
      { fault: 'worker-killed', stage: 'off' },
      { fault: 'assessment-killed', stage: 'shadow' },
      { fault: 'drift', stage: 'live' },
      { fault: 'broker-restarted', stage: 'complete' },
    ];
    const { exitCode, report } = await withFaults(faults, {});
    expect({ exitCode, problems: report.problems }).toEqual({ exitCode: 0, problems: [] });
    expect(report.faults.map(({ fault, stage }: Fault) => ({ fault, stage }))).toEqual(faults);
    expect(report.faults.filter(({ reported }: Fault) => reported === null)).toEqual([]);
    expect(report.limits).toEqual({ tolerated: 0.3, cleanLegs: 10, windowMs: 2000 });
  },
  LIMIT_MS,
);

async function withFaults(faults: readonly object[], env: Record<string, string>) {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, 'faults.json'), JSON.stringify({ faults }));
  const args = ['rehearse', '--faults', 'faults.json', '--jobs', '40', '--json'];
  const result = await runCli(args, { cwd, env: { TMPDIR: cwd, ...env } });
  return { ...result, report: JSON.parse(result.stdout) };
}

describe('a rehearsal that is interrupted', () => {
  it(
    'ends everything, removes its folder, and exits 130',
    async () => {
      const folder = temporaryFolder();
      const cli = startCli(['rehearse'], { env: { TMPDIR: folder } });
      await untilFirstFault(cli.stderr);
      const [own = ''] = readdirSync(folder);
      cli.child.kill('SIGINT');
      const { exitCode, stdout } = await cli.ended;
      expect({ exitCode, stdout }).toEqual({ exitCode: 130, stdout: '' });
      expect(own).toMatch(/^atma-events-rehearsal-/);
      expect(existsSync(join(folder, own))).toBe(false);
      expect(processesIn(join(folder, own))).toEqual([]);
    },
    LIMIT_MS,
  );

  it.runIf(terminalsToBeHad)(
    'on a terminal, which has shown how far it is, by Ctrl-C',
    async () => {
      const folder = temporaryFolder();
      const terminal = startOnTerminal(['rehearse'], { env: { TMPDIR: folder } });
      await untilFirstFault(terminal.shown);
      expect(terminal.shown()).toMatch(/\d:\d\d {2}stage off {3}verdict none yet {3}lag \d+ facts?/);
      expect(terminal.shown()).toMatch(/latest (notification push|assessment (status|refund)) of analysis\./);
      terminal.types(KEYS.interrupt);
      expect(await terminal.ended).toBe(130);
      expect(readdirSync(folder)).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    'by SIGKILL leaves no process behind',
    async () => {
      const folder = temporaryFolder();
      const cli = startCli(['rehearse'], { env: { TMPDIR: folder } });
      await untilFirstFault(cli.stderr);
      const [own = ''] = readdirSync(folder);
      expect(processesIn(join(folder, own)).length).toBeGreaterThanOrEqual(3);
      cli.child.kill('SIGKILL');
      await cli.ended;
      await eventually('its services are gone', () => processesIn(join(folder, own)).length === 0);
    },
    LIMIT_MS,
  );

  it.skipIf(!rabbitInstalled)(
    'on RabbitMQ removes what it made',
    async () => {
      const { url, managementUrl } = await sharedRabbit();
      const transport = await createTransport(url, { managementUrl });
      onTestFinished(() => transport.close());
      const env = { TMPDIR: temporaryFolder(), RABBITMQ_MANAGEMENT_URL: managementUrl };
      const cli = startCli(['rehearse', '--url', url], { env });
      await untilFirstFault(cli.stderr);
      const own = await eventually('its queues are known', async () => {
        const names = await namesLike(transport, /^rehearsal_[0-9a-f]{8}_/);
        return names.length > 0 ? names : undefined;
      });
      const prefix = own[0]?.slice(0, 'rehearsal_01234567_'.length) ?? '';
      cli.child.kill('SIGINT');
      expect((await cli.ended).exitCode).toBe(130);
      const ofOwn = new RegExp(`^${prefix}`);
      await eventually('nothing of it is left', async () => (await namesLike(transport, ofOwn)).length === 0);
    },
    LIMIT_MS,
  );
});

/** Services are up, and jobs on their way. */
async function untilFirstFault(said: () => string): Promise<void> {
  await eventually('the first fault is over', () => /fault +notification-killed/.test(said()), {
    withinMs: 90_000,
  });
}

/** Exchanges and queues by name. */
async function namesLike(transport: Transport, pattern: RegExp): Promise<string[]> {
  const survey = await transport.survey();
  if (survey.state !== 'known') throw new Error(survey.reason);
  return [...survey.exchanges, ...survey.queues].map(({ name }) => name).filter((name) => pattern.test(name));
}

/** Processes that are told of a folder: by their arguments, or as where they work. */
function processesIn(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(folder);
      } catch {
        return false; // it ended just now, or is somebody else's
      }
    });
}

describe('what rehearse is asked for', () => {
  it.each([
    [['--url', 'embedded:./broker.db'], 'rehearse has an embedded broker of its own'],
    [['--preset', 'atma'], 'rehearse takes no --preset'],
    [['--jobs', '39'], '"39" is not a whole number from 40'],
    [['--faults', 'missing.json'], 'Cannot read'],
    [['--report', 'not/there.html'], 'Cannot write'],
  ])('%j is refused before anything begins', async (args, message) => {
    const folder = temporaryFolder();
    const { exitCode, stderr } = await runCli(['rehearse', ...args], {
      cwd: folder,
      env: { TMPDIR: folder },
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining(message) });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('exits 5 where nobody answers, and shows no password', async () => {
    const url = 'amqp://guest:geheim@127.0.0.1:1';
    const { exitCode, stdout, stderr } = await runCli(['rehearse', '--url', url, '--timeout', '1s']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 5, stdout: '' });
    expect(stderr).not.toContain('geheim');
  });
});
