import { join } from 'node:path';
import { expect, it } from 'vitest';
import { eventually } from '../await.js';
import type { CommandBroker } from './brokers.js';
import { withTransport } from './brokers.js';
import { type RunningCli, runCli, startCli, temporaryFolder } from './cli.js';
import { describeDying, die, idsIn, idsOf } from './dying.js';

const COUNT = 60;

describeDying('replay-dlq, interrupted', (broker) => {
  const dlq = () => `${broker.notifications}_dlq`;

  /** A slow replay that has brought back some, and not all. */
  async function underWay(cwd: string, ...more: string[]): Promise<RunningCli> {
    const args = ['replay-dlq', dlq(), '--rate', '10', '--yes', '--json', ...more];
    const running = startCli(args, broker.options({ cwd }));
    await withTransport(broker, (transport) =>
      eventually('some have been replayed', async () => {
        if (running.child.exitCode !== null) throw new Error(`${running.stdout()}${running.stderr()}`);
        return ((await transport.counts(broker.notifications))?.ready ?? 0) > 2;
      }),
    );
    return running;
  }

  const resume = (id: string, cwd: string, ...more: string[]) =>
    runCli(['replay-dlq', '--resume', id, '--json', ...more], broker.options({ cwd }));

  it('Ctrl-C leaves every message in exactly one place, and says how to go on', async () => {
    await die(broker, COUNT);
    const cwd = temporaryFolder();
    const running = await underWay(cwd);
    running.child.kill('SIGINT');
    const { exitCode, stdout } = await running.ended;
    expect(exitCode).toBe(130);
    const { id, replayed, left, stopped } = JSON.parse(stdout);
    expect({ stopped, sum: replayed + left }).toEqual({ stopped: 'interrupted', sum: COUNT });
    expect(replayed).toBeLessThan(COUNT);
    const [back, dead] = [await idsIn(broker, broker.notifications), await idsIn(broker, dlq())];
    expect([back.length, dead.length]).toEqual([replayed, left]);
    expect(sorted([...back, ...dead])).toEqual(idsOf(COUNT));

    const resumed = await resume(id, cwd);
    expect({ exitCode: resumed.exitCode, stderr: resumed.stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(JSON.parse(resumed.stdout)).toMatchObject({ id, replayed: COUNT, possibleDuplicates: 0, left: 0 });
    expect(await idsIn(broker, broker.notifications)).toEqual(idsOf(COUNT));
    const again = await resume(id, cwd);
    expect(again.exitCode).toBe(2);
    expect(again.stderr).toContain(`The replay ${id} is finished`);
  });

  it('tells people where the ledger is and what to type', async () => {
    await die(broker, COUNT);
    const cwd = temporaryFolder();
    const ledger = join(cwd, 'mine.db');
    const how = ['--rate', '10', '--canary', '30', '--canary-wait', '1500ms', '--max-deaths', '50'];
    const args = ['replay-dlq', dlq(), ...how, '--yes', '--ledger', 'mine.db'];
    const running = startCli(args, broker.options({ cwd }));
    await withTransport(broker, (transport) =>
      eventually('some have been replayed', async () => {
        return ((await transport.counts(broker.notifications))?.ready ?? 0) > 2;
      }),
    );
    running.child.kill('SIGTERM');
    const { exitCode, stderr } = await running.ended;
    expect(exitCode).toBe(130);
    expect(stderr).toContain(`Ledger: ${ledger}`);
    expect(stderr).toMatch(
      /continue with: atma-events replay-dlq --resume \S+ --rate 10 --canary 30 --canary-wait 1500ms/,
    );
    expect(stderr).toContain(`--max-deaths 50 --ledger ${ledger}\n`);
  });

  it('killed, it is refused until resumed; then nothing is lost and each duplicate is counted', async () => {
    await die(broker, COUNT);
    const cwd = temporaryFolder();
    const running = await underWay(cwd);
    running.child.kill('SIGKILL');
    await running.ended;

    const id = await refusedId(broker, dlq(), cwd);
    const resumed = await resume(id, cwd);
    expect({ exitCode: resumed.exitCode, stderr: resumed.stderr }).toEqual({ exitCode: 0, stderr: '' });
    const { possibleDuplicates, left } = JSON.parse(resumed.stdout);
    expect(left).toBe(0);
    expect(await idsIn(broker, dlq())).toEqual([]);
    const back = await idsIn(broker, broker.notifications);
    expect([...new Set(back)]).toEqual(idsOf(COUNT));
    expect(back.length - COUNT).toBeLessThanOrEqual(possibleDuplicates);
  });

  it('is known in every folder: the ledger is its user’s', async () => {
    await die(broker, COUNT);
    const env = { XDG_STATE_HOME: temporaryFolder() };
    const args = ['replay-dlq', dlq(), '--rate', '10', '--yes', '--json'];
    const running = startCli(args, broker.options({ cwd: temporaryFolder(), env }));
    await withTransport(broker, (transport) =>
      eventually('some have been replayed', async () => {
        return ((await transport.counts(broker.notifications))?.ready ?? 0) > 2;
      }),
    );
    running.child.kill('SIGINT');
    const { id } = JSON.parse((await running.ended).stdout);
    const elsewhere = broker.options({ cwd: temporaryFolder(), env });
    const resumed = await runCli(['replay-dlq', '--resume', id, '--json'], elsewhere);
    expect({ exitCode: resumed.exitCode, stderr: resumed.stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(JSON.parse(resumed.stdout)).toMatchObject({ id, replayed: COUNT, left: 0 });
  });

  it('killed, it can be given up, and then a new one may begin', async () => {
    await die(broker, COUNT);
    const cwd = temporaryFolder();
    const running = await underWay(cwd);
    running.child.kill('SIGKILL');
    await running.ended;

    const id = await refusedId(broker, dlq(), cwd);
    const options = broker.options({ cwd });
    expect(await runCli(['replay-dlq', '--abandon', id], options)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('--yes'),
    });
    const abandoned = await runCli(['replay-dlq', '--abandon', id, '--yes', '--json'], options);
    expect(abandoned.exitCode).toBe(0);
    expect(JSON.parse(abandoned.stdout)).toEqual({ id, queue: dlq(), abandoned: true });
    const fresh = await runCli(['replay-dlq', dlq(), '--yes', '--json'], options);
    expect(fresh.exitCode).toBe(0);
    expect(new Set(await idsIn(broker, broker.notifications)).size).toBe(COUNT);
  });

  it('refuses a second one of the same queue while it runs, wherever its ledger is', async () => {
    await die(broker, COUNT);
    const cwd = temporaryFolder();
    const running = await underWay(cwd);
    for (const folder of [cwd, temporaryFolder()]) {
      const second = await runCli(['replay-dlq', dlq(), '--yes'], broker.options({ cwd: folder }));
      expect(second.exitCode).toBe(1);
      expect(second.stderr).toMatch(/replay of \S+ is running/);
    }
    const purge = await runCli(['dlq', 'purge', dlq(), '--all', '--yes'], broker.options({ cwd }));
    expect(purge).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('is running') });
    running.child.kill('SIGINT');
    const { stdout } = await running.ended;
    const { replayed, left } = JSON.parse(stdout);
    expect(replayed + left).toBe(COUNT);
  });

  it('an id that is not in the ledger is answered with those that are open', async () => {
    await die(broker, COUNT);
    const cwd = temporaryFolder();
    const running = await underWay(cwd);
    running.child.kill('SIGINT');
    const { id } = JSON.parse((await running.ended).stdout);
    const wrong = await resume('nonsense', cwd);
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).toContain(`Not finished: ${id} (${dlq()})`);
  });
});

/** A new replay is refused with both ways out; the id that it names. */
async function refusedId(broker: CommandBroker, dlq: string, cwd: string): Promise<string> {
  const refused = await runCli(['replay-dlq', dlq, '--yes'], broker.options({ cwd }));
  expect(refused.exitCode).toBe(2);
  const [, id = ''] = /--resume (\S+?)[. ]/.exec(refused.stderr) ?? [];
  expect(refused.stderr).toContain(`--abandon ${id}`);
  return id;
}

function sorted(ids: readonly string[]): string[] {
  return ids.toSorted((a, b) => Number(a.slice(2)) - Number(b.slice(2)));
}
