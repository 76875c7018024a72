import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../await.js';
import { startTcpProxy } from '../brokers/tcp-proxy.js';
import { withTransport } from './brokers.js';
import { runCli, startCli, temporaryFolder } from './cli.js';
import { describeDying, die, eventOf, idsIn, idsOf, messagesIn, toBody } from './dying.js';
import { KEYS, startOnTerminal, terminalsToBeHad } from './pseudo-terminal.js';

const linesIn = (path: string) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describeDying('dlq purge', (broker) => {
  const dlq = () => `${broker.notifications}_dlq`;
  const purge = (cwd: string, ...args: string[]) =>
    runCli(['dlq', 'purge', ...args], broker.options({ cwd }));

  it('saves everything, deletes it, and what is in the file can be put back as it was', async () => {
    await die(broker, 5);
    const before = await messagesIn(broker, dlq());
    const cwd = temporaryFolder();
    const { exitCode, stdout } = await purge(cwd, dlq(), '--all', '--yes', '--json');
    expect(exitCode).toBe(0);
    const document = JSON.parse(stdout);
    expect(document).toEqual({
      queue: dlq(),
      file: expect.stringMatching(new RegExp(`^${dlq()}-\\d{4}-\\d\\d-\\d\\dT[\\d-]+Z\\.jsonl$`)),
      exported: 5,
      deleted: 5,
      left: 0,
    });
    expect(await idsIn(broker, dlq())).toEqual([]);
    const file = join(cwd, document.file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(linesIn(file).map(({ messageId }) => messageId)).toEqual(idsOf(5));
    const back = await runCli(['publish', '--from', file], broker.options());
    expect(back.exitCode).toBe(0);
    const after = await messagesIn(broker, dlq());
    expect(after.map(({ body, properties }) => ({ body, properties }))).toEqual(
      before.map(({ body, properties }) => ({ body, properties })),
    );
  });

  it('--filter deletes exactly what was saved, and leaves the rest in its order', async () => {
    await die(broker, 6);
    const cwd = temporaryFolder();
    const { exitCode, stdout, stderr } = await purge(
      cwd,
      ...[dlq(), '--filter', 'event.n == 2 || event.n == 5', '--export', 'two.jsonl', '--yes'],
    );
    expect(exitCode).toBe(0);
    expect(stderr).toContain('will be saved to two.jsonl first, then deleted.');
    expect(stdout).toBe(`Deleted 2 dead letters of ${dlq()}, saved to two.jsonl; 4 left.\n`);
    expect(linesIn(join(cwd, 'two.jsonl')).map(({ messageId }) => messageId)).toEqual(['m-2', 'm-5']);
    expect(await idsIn(broker, dlq())).toEqual(['m-1', 'm-3', 'm-4', 'm-6']);
  });

  it('--group deletes the dead letters of one cause', async () => {
    await die(broker, [toBody(eventOf(1)), toBody({ eventType: 'report.printed' })]);
    const { stdout } = await runCli(['dlq', 'groups', dlq(), '--json'], broker.options());
    const { group } = JSON.parse(stdout).find(({ type }: { type: string }) => type === 'report.printed');
    const run = await purge(temporaryFolder(), dlq(), '--group', group, '--yes', '--json');
    expect(JSON.parse(run.stdout)).toMatchObject({ deleted: 1, left: 1 });
    expect(await idsIn(broker, dlq())).toEqual(['m-1']);
    const gone = await purge(temporaryFolder(), dlq(), '--group', group, '--yes');
    expect(gone).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('There is no group') });
  });

  it('--dry-run counts, and leaves queue and folder as they were', async () => {
    await die(broker, 3);
    const cwd = temporaryFolder();
    const args = [dlq(), '--filter', 'event.n > 1', '--dry-run', '--export', 'x.jsonl'];
    const { exitCode, stdout } = await purge(cwd, ...args, '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ queue: dlq(), dryRun: true, would: 2, file: 'x.jsonl' });
    expect(readdirSync(cwd)).toEqual([]);
    expect(await idsIn(broker, dlq())).toEqual(idsOf(3));
  });

  it('takes what waits for a consumer only with --any-queue', async () => {
    await die(broker, 1);
    await runCli(['replay-dlq', dlq(), '--yes'], broker.options({ cwd: temporaryFolder() }));
    const cwd = temporaryFolder();
    const args = [broker.notifications, '--all', '--export', 'work.jsonl', '--yes', '--json'];
    const refused = await purge(cwd, ...args);
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--any-queue') });
    expect(readdirSync(cwd)).toEqual([]);
    expect(await idsIn(broker, broker.notifications)).toEqual(['m-1']);

    const { exitCode, stdout } = await purge(cwd, ...args, '--any-queue');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ queue: broker.notifications, deleted: 1, left: 0 });
    expect(linesIn(join(cwd, 'work.jsonl')).map(({ messageId }) => messageId)).toEqual(['m-1']);
    expect(await idsIn(broker, broker.notifications)).toEqual([]);
  });

  it('writes into no file that is there already, and deletes nothing then', async () => {
    await die(broker, 1);
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'day.jsonl'), 'precious\n');
    const { exitCode, stderr } = await purge(cwd, dlq(), '--all', '--export', 'day.jsonl', '--yes');
    expect(exitCode).toBe(2);
    expect(stderr).toContain('is there already');
    expect(readFileSync(join(cwd, 'day.jsonl'), 'utf8')).toBe('precious\n');
    const folder = await purge(cwd, dlq(), '--all', '--export', 'no/where.jsonl', '--yes');
    expect(folder.exitCode).toBe(1);
    expect(await idsIn(broker, dlq())).toEqual(['m-1']);
  });

  it('killed at any moment, it has lost nothing: each message is in the queue or in the file', async () => {
    await die(broker, 3_000);
    const cwd = temporaryFolder();
    const path = join(cwd, 'all.jsonl');
    const running = startCli(
      ['dlq', 'purge', dlq(), '--all', '--export', 'all.jsonl', '--yes'],
      broker.options({ cwd }),
    );
    await eventually('the file has something', () => existsSync(path) && statSync(path).size > 0);
    running.child.kill('SIGKILL');
    await running.ended;
    const whole = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    const saved = whole.map((line) => JSON.parse(line).messageId);
    const left = await idsIn(broker, dlq());
    expect(new Set([...saved, ...left]).size).toBe(3_000);
  });

  it('Ctrl-C leaves each message in the queue or in the file, and in one of them only', async () => {
    await die(broker, 3_000);
    const cwd = temporaryFolder();
    const path = join(cwd, 'all.jsonl');
    const running = startCli(
      ['dlq', 'purge', dlq(), '--all', '--export', 'all.jsonl', '--yes', '--json'],
      broker.options({ cwd }),
    );
    await eventually('the file has something', () => existsSync(path) && statSync(path).size > 0);
    running.child.kill('SIGINT');
    const { exitCode, stdout } = await running.ended;
    const { exported, deleted, left, stopped } = JSON.parse(stdout);
    expect([exitCode, stopped]).toEqual(left === 0 ? [0, undefined] : [130, 'interrupted']);
    expect([deleted, deleted + left]).toEqual([exported, 3_000]);
    const saved = linesIn(path).map(({ messageId }) => messageId);
    expect(saved).toHaveLength(exported);
    expect(new Set([...saved, ...(await idsIn(broker, dlq()))]).size).toBe(3_000);
  });

  it('a connection cut in the middle loses nothing, and the rest is deleted all the same', async () => {
    if (broker.name === 'embedded') return; // it has no connection
    await die(broker, 3_000);
    const proxy = await startTcpProxy(Number(new URL(broker.url()).port));
    onTestFinished(() => proxy.close());
    const cwd = temporaryFolder();
    const path = join(cwd, 'all.jsonl');
    const url = broker.url().replace(/:\d+(\/|$)/, `:${proxy.port}$1`);
    const running = startCli(
      ['dlq', 'purge', dlq(), '--all', '--export', 'all.jsonl', '--yes', '--json', '--url', url],
      broker.options({ cwd }),
    );
    await eventually('the file has something', () => existsSync(path) && statSync(path).size > 0);
    proxy.cut();
    const { exitCode, stdout, stderr } = await running.ended;
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.stringContaining('connection lost') });
    const { exported, deleted, left } = JSON.parse(stdout);
    expect({ deleted, left }).toEqual({ deleted: 3_000, left: 0 });
    const saved = linesIn(path).map(({ messageId }) => messageId);
    expect(saved).toHaveLength(exported);
    expect(new Set(saved).size).toBe(3_000);
  });

  it.runIf(terminalsToBeHad)("asks for the queue's name, and takes nothing else", async () => {
    await die(broker, 2);
    const cwd = temporaryFolder();
    const terminal = startOnTerminal(
      ['dlq', 'purge', dlq(), '--all', '--export', 'all.jsonl'],
      broker.options({ cwd }),
    );
    await terminal.shows("Type the queue's name to delete 2 dead letters of it:");
    terminal.types('yes', KEYS.enter);
    await terminal.shows(`Type ${dlq()} to delete`);
    terminal.types(KEYS.interrupt);
    expect(await terminal.ended).toBe(130);
    expect(readdirSync(cwd)).toEqual([]);
    expect(await idsIn(broker, dlq())).toEqual(idsOf(2));

    const second = startOnTerminal(
      ['dlq', 'purge', dlq(), '--all', '--export', 'all.jsonl'],
      broker.options({ cwd }),
    );
    await second.shows("Type the queue's name");
    second.types(dlq(), KEYS.enter);
    expect(await second.ended).toBe(0);
    expect(linesIn(join(cwd, 'all.jsonl'))).toHaveLength(2);
    await withTransport(broker, async (transport) => {
      expect((await transport.counts(dlq()))?.ready).toBe(0);
    });
  });
});

describe('dlq purge, asked for what it cannot do', () => {
  it.each([
    [['q'], '--all for everything'],
    [['q', '--all', '--group', '0123abcd'], 'leaves nothing to select'],
    [['q', '--all'], '--yes'],
    [['q', '--group', 'x'], 'is not a group'],
    [['q', '--filter', 'nope(', '--yes'], 'Not a filter'],
    [[], 'missing required argument'],
  ])('answers %j with exit 2 and what was meant', async (args, text) => {
    const { exitCode, stderr } = await runCli(['dlq', 'purge', ...args], { cwd: temporaryFolder() });
    expect(stderr).toContain(text);
    expect(exitCode).toBe(2);
  });

  it('exits 5 when the broker is not there, and has left no file', async () => {
    const cwd = temporaryFolder();
    const url = ['--url', 'amqp://127.0.0.1:1', '--timeout', '300ms'];
    const { exitCode } = await runCli(['dlq', 'purge', 'q', '--all', '--yes', ...url], { cwd });
    expect(exitCode).toBe(5);
    expect(readdirSync(cwd)).toEqual([]);
  });
});
