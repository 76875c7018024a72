/** The services as compose.yaml starts them: its commands, its variables, its health checks; on the embedded broker. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from './await.js';
import { runCli, startCli, startProgram, temporaryFolder } from './commands/cli.js';
import { type ComposeService, readCompose, readEnvExample, root } from './compose-file.js';

const filled = {
  ...readEnvExample().set,
  RABBITMQ_DEFAULT_PASS: 'a1b2c3d4',
  INTERNAL_SERVICE_KEY: 'e5f6a7b8',
};
const compose = readCompose(filled);
const SERVICES = ['analysis-worker', 'notification-service', 'assessment-service'] as const;

function serviceOf(name: string): ComposeService {
  const found = compose.services[name];
  if (found === undefined) throw new Error(`compose.yaml has no service ${name}`);
  return found;
}

/** The variables of a container, with paths and ports of this machine. */
function environmentOf(name: string, folder: string): Record<string, string> {
  const data = join(folder, name);
  mkdirSync(data, { recursive: true });
  const { environment } = serviceOf(name);
  const here = Object.entries(environment).map(([key, value]) => [
    key,
    value.replace(/^\/data\b/, data).replace(/^\/flag\b/, folder),
  ]);
  const own = { RABBITMQ_URL: `embedded:${join(folder, 'broker.db')}`, HOST: '127.0.0.1' };
  return { ...Object.fromEntries(here), ...own, ...('PORT' in environment && { PORT: '0' }) };
}

/** What its command names, where the clone has it. */
const programOf = (name: string) => (serviceOf(name).command?.[1] ?? '').replace('/app', root);

/** Runs the health check with Node, as the container does; gives its exit code. */
async function isWell(name: string, port: number): Promise<boolean> {
  const [, , ...args] = serviceOf(name).healthcheck?.test ?? [];
  return (await startProgram(args, { env: { PORT: String(port) } }).ended).exitCode === 0;
}

function portIn(stdout: string): number | undefined {
  const ready = stdout.split('\n').find((line) => line.includes('"event":"ready"'));
  return ready === undefined ? undefined : JSON.parse(ready).port;
}

describe('the services of compose.yaml', () => {
  it.each(['notification-service', 'assessment-service'])(
    '%s does not start as .env.example is, and names the variable',
    async (name) => {
      const cwd = temporaryFolder();
      const { exitCode, stdout, stderr } = await startProgram(
        [`--env-file=${join(root, '.env.example')}`, programOf(name)],
        { cwd },
      ).ended;
      expect(exitCode).toBe(1);
      expect(stdout + stderr).toContain('INTERNAL_SERVICE_KEY');
    },
  );

  it.each(SERVICES)(
    '%s starts with the variables that it is given, is well by its health check, and ends in time',
    async (name) => {
      const folder = temporaryFolder();
      const env = environmentOf(name, folder);
      const service = startProgram([programOf(name)], { cwd: folder, env });
      const port = await eventually('it is ready', () => portIn(service.stdout()));
      await eventually('it is well', () => isWell(name, port));
      service.child.kill('SIGTERM');
      const { exitCode, stdout, stderr } = await service.ended;
      expect(exitCode, stdout + stderr).toBe(0);
      expect(stdout + stderr).not.toContain(filled.INTERNAL_SERVICE_KEY);
      expect(await isWell(name, port)).toBe(false);
    },
  );

  it('the proxy takes the options that it is given, and is well once it listens', async () => {
    const folder = temporaryFolder();
    const [program, ...words] = serviceOf('shadow').command ?? [];
    expect(program).toBe('atma-events');
    const args = words.map((word) =>
      word.replace('--listen=0.0.0.0:4010', '--listen=0').replace('=/data/', `=${folder}/`),
    );
    const env = environmentOf('shadow', folder);
    const run = startCli(args, { cwd: folder, env });
    await run.says('callbacks on ');
    const [, port = ''] = /callbacks on http:\/\/127\.0\.0\.1:(\d+)/.exec(run.stderr()) ?? [];
    const [cmd, node, flag, script = ''] = serviceOf('shadow').healthcheck?.test ?? [];
    expect([cmd, node, flag]).toEqual(['CMD', 'node', '-e']);
    const check = () => startProgram(['-e', script.replace('4010', port)]).ended;
    expect((await check()).exitCode).toBe(0);
    run.child.kill('SIGINT');
    expect((await run.ended).exitCode).toBe(130);
    expect((await check()).exitCode).toBe(1);
  });

  it('the command line moves the flag that the services watch, under the name that .env gives', async () => {
    const folder = temporaryFolder();
    const env: Record<string, string> = { ...environmentOf('cli', folder), ATMA_EVENTS_USER: 'rina' };
    const watched = environmentOf('analysis-worker', folder);
    expect(env.ATMA_EVENTS_FLAG_FILE).toBe(watched.ATMA_EVENTS_FLAG_FILE);
    const worker = startProgram([programOf('analysis-worker')], { cwd: folder, env: watched });
    await eventually('the worker is ready', () => portIn(worker.stdout()));
    const options = { cwd: folder, env };
    const moved = await runCli(['flag', 'set', 'publish', '--reason', 'compose', '--yes', '--json'], options);
    expect(moved.exitCode, moved.stderr).toBe(0);
    expect(JSON.parse(moved.stdout).changedBy).toMatch(/^rina on /);
    await eventually('the worker has seen it', () => worker.stdout().includes('"stage":"publish"'));
  });
});
