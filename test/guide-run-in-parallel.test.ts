/** The guide "run in parallel" shows what the commands really print: its flow, run and compared. */
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { eventually } from './await.js';
import { runCli, startCli, startProgram, temporaryFolder } from './commands/cli.js';
import { textOf } from './commands/shadow-recordings.js';
import { notPrinted, readGuide } from './guide.js';
import { generateTraffic } from './shadow/traffic.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const { shown } = readGuide('run-in-parallel.md', stable);

/** Times, ports and folders differ from run to run. */
function stable(line: string): string {
  return line
    .trimEnd()
    .replace(/^ +…$/, '…')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replace(/http:\/\/127\.0\.0\.1:\d+/, 'PROXY')
    .replace(/recorded in \S+\//, 'recorded in FOLDER/')
    .replace('FOLDER/.atma-events/', 'FOLDER/')
    .replace(/(callback|event) in line \d+/g, '$1 in line N');
}

const linesOf = (text: string) => text.trimEnd().split('\n').map(stable);

function folderWithExample(): string {
  const cwd = temporaryFolder();
  cpSync(join(root, 'examples/parallel-run'), cwd, { recursive: true });
  mkdirSync(join(cwd, 'node_modules'));
  symlinkSync(root, join(cwd, 'node_modules/atma-events'));
  return cwd;
}

/** The services on free ports, as `--upstream` takes them. */
async function startServices(cwd: string, drift: string): Promise<string[]> {
  const env = { NOTIFICATION_PORT: '0', ASSESSMENT_PORT: '0', DRIFT: drift };
  const { stdout } = startProgram(['services.mjs'], { cwd, env });
  await eventually('both listen', () => stdout().match(/http:/g)?.length === 2);
  return [...stdout().matchAll(/^(\w+) service on (\S+)$/gm)].flatMap(([, name, url]) => [
    '--upstream',
    `${name}=${url}`,
  ]);
}

/** A run that has watched for longer than its window: what happens now has no gap before it. */
async function startRun(cwd: string, upstreams: readonly string[], store: string) {
  const args = ['--listen', '0', ...upstreams, '--window', '2s', '--budget', '5s', '--store', store];
  const run = startCli(['shadow', 'run', ...args], { cwd });
  await run.says('callbacks on ');
  const [, proxy = ''] = /callbacks on (\S+)/.exec(run.stderr()) ?? [];
  const told = async () => {
    const { stdout } = await runCli(['shadow', 'report', '--json', '--store', store], { cwd });
    return JSON.parse(stdout);
  };
  await eventually('both sources have told of more than a window', async () => {
    const { sources = [], run: state } = await told();
    const begun = Date.parse(state?.startedAt);
    return (
      sources.length === 2 &&
      sources.every(({ watermark }: { watermark: string }) => Date.parse(watermark) > begun + 4_000)
    );
  });
  const work = async (env: Record<string, string>) => {
    const urls = { NOTIFICATION_SERVICE_URL: proxy, ASSESSMENT_SERVICE_URL: proxy };
    const worker = startProgram(['worker.mjs'], { cwd, env: { ...urls, ...env } });
    const { exitCode, stdout, stderr } = await worker.ended;
    expect(exitCode, stderr).toBe(0);
    await eventually('every leg is closed', async () => {
      const { legs, strata } = await told();
      const started = strata.filter(
        ({ eventType }: { eventType: string }) => eventType === 'analysis.started',
      );
      return legs.pending === 0 && started.every((each: { legs: number }) => each.legs === Number(env.JOBS));
    });
    return stdout;
  };
  const end = async () => {
    run.child.kill('SIGINT');
    expect((await run.ended).exitCode).toBe(130);
  };
  return { first: run.stderr(), work, end };
}

const RUN =
  'atma-events shadow run --listen 4010 --upstream notification=http://localhost:3005 --upstream assessment=http://localhost:3003 --window 2s --budget 5s';

describe('the guide "run in parallel"', () => {
  it('shows what a run with drifts and a lost event comes to, and the same when they are mended', async () => {
    const cwd = folderWithExample();
    await runCli(['setup'], { cwd });
    const drifting = await startRun(cwd, await startServices(cwd, 'all'), '.atma-events/shadow.db');
    expect(notPrinted(shown(RUN), linesOf(drifting.first))).toEqual([]);
    const worker =
      'NOTIFICATION_SERVICE_URL=http://localhost:4010 ASSESSMENT_SERVICE_URL=http://localhost:4010 JOBS=40 LOSES=7 node worker.mjs';
    expect(linesOf(await drifting.work({ JOBS: '40', LOSES: '7' }))).toEqual(shown(worker));
    for (const [command, code] of [
      ['atma-events shadow verdict', 6],
      ['atma-events shadow report', 0],
    ] as const) {
      const { exitCode, stdout } = await runCli(command.split(' ').slice(1), { cwd });
      expect(exitCode).toBe(code);
      expect(notPrinted(shown(command), linesOf(stdout)), stdout).toEqual([]);
    }

    // Beside the old one, so that the worker always has one to call.
    const mended = await startRun(cwd, await startServices(cwd, 'none'), 'mended.db');
    expect(
      notPrinted(shown(`${RUN.replace('4010', '4011')} --store mended.db`), linesOf(mended.first)),
    ).toEqual([]);
    await mended.work({ JOBS: '40' });
    await drifting.end();
    const verdict = 'atma-events shadow verdict --store mended.db';
    const { exitCode, stdout } = await runCli(verdict.split(' ').slice(1), { cwd });
    expect(exitCode).toBe(6);
    expect(notPrinted(shown(verdict), linesOf(stdout)), stdout).toEqual([]);
    await mended.end();
  }, 90_000);

  it('shows a month that is SAFE', async () => {
    const cwd = temporaryFolder();
    const { callbacks, events } = generateTraffic({ seed: 2024, days: 30, jobs: 40_000 });
    writeFileSync(join(cwd, 'callbacks.jsonl'), textOf(callbacks));
    writeFileSync(join(cwd, 'events.jsonl'), textOf(events));
    const command =
      'atma-events shadow compare --callbacks callbacks.jsonl --events events.jsonl --budget 5s';
    const { exitCode, stdout } = await runCli(command.split(' ').slice(1), { cwd });
    expect(exitCode).toBe(0);
    expect(notPrinted(shown(command), linesOf(stdout)), stdout).toEqual([]);
  }, 90_000);
});
