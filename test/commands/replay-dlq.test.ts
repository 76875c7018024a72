import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { failureHeader } from '../../src/core/consuming/failure-record.js';
import { EMPTY_TOPOLOGY, queue } from '../../src/core/topology/model.js';
import { failure } from '../dead-letters/letters.js';
import type { CommandBroker } from './brokers.js';
import { withTransport } from './brokers.js';
import { type CliResult, runCli, temporaryFolder } from './cli.js';
import { describeDying, die, eventOf, idsIn, idsOf, messagesIn, toBody } from './dying.js';

describeDying('replay-dlq', (broker) => {
  const dlq = () => `${broker.notifications}_dlq`;
  const replay = (cwd: string, ...args: string[]): Promise<CliResult> =>
    runCli(['replay-dlq', ...args], broker.options({ cwd }));

  it('brings dead letters back to the queue that gave them up, and to nobody else', async () => {
    await die(broker, 7);
    const cwd = temporaryFolder();
    const { exitCode, stdout, stderr } = await replay(cwd, dlq(), '--yes', '--json');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const document = JSON.parse(stdout);
    expect(Object.keys(document)).toEqual([
      'id',
      'queue',
      'replayed',
      'skipped',
      'boomeranged',
      'possibleDuplicates',
      'left',
    ]);
    expect(document).toMatchObject({
      queue: dlq(),
      replayed: 7,
      skipped: {},
      boomeranged: 0,
      possibleDuplicates: 0,
      left: 0,
    });
    expect(await idsIn(broker, broker.notifications)).toEqual(idsOf(7));
    expect(await idsIn(broker, broker.assessments)).toEqual([]);
    expect(existsSync(join(cwd, 'atma-events', 'replays.db'))).toBe(true);
    expect(existsSync(join(cwd, '.atma-events'))).toBe(false);
    const [first] = await messagesIn(broker, broker.notifications);
    expect(first?.body).toEqual(toBody(eventOf(1)));
    expect(first?.properties.headers?.['x-replay']).toMatchObject({ id: document.id, from: dlq() });
  });

  it('tells people what was done, and hides addresses', async () => {
    await die(broker, 3);
    const { exitCode, stdout, stderr } = await replay(temporaryFolder(), dlq(), '--yes');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      new RegExp(
        `^${dlq()}: 3 replayed in \\d+\\.\\d\\d s, \\d+/s \\(replay .+\\)\n {2}0 left in ${dlq()}\n$`,
      ),
    );
    expect(stdout + stderr).not.toContain('user@');
  });

  it('--dry-run says what would go where, marks what is not valid, and moves nothing', async () => {
    const invalid = toBody({ ...eventOf(2), jobId: 'none' });
    const foreign = toBody({ eventType: 'report.printed' });
    await die(broker, [toBody(eventOf(1)), invalid, foreign]);
    await publishTo(broker, dlq(), 'stray');
    const cwd = temporaryFolder();
    const { exitCode, stdout } = await replay(cwd, dlq(), '--dry-run', '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      queue: dlq(),
      dryRun: true,
      would: [
        { target: broker.notifications, type: 'analysis.completed', count: 2, invalid: 1 },
        { target: broker.notifications, type: 'report.printed', count: 1, invalid: 0, unknown: true },
      ],
      skipped: { 'no-target': 1 },
    });
    const people = await replay(cwd, dlq(), '--dry-run');
    expect(people.stdout).toContain('nothing was moved');
    expect(people.stdout).toContain('1 INVALID');
    expect(people.stdout).toContain('not in the catalog');
    expect(people.stdout).toContain('1 would be skipped: nothing tells which queue they came from');
    expect(await idsIn(broker, dlq())).toEqual(['stray', 'm-1', 'm-2', 'm-3']);
    expect(await idsIn(broker, broker.notifications)).toEqual([]);
    expect(existsSync(join(cwd, '.atma-events'))).toBe(false);
  });

  it('--to exchange shows which queues get a copy, and every one of them does', async () => {
    await die(broker, 2);
    const dry = await replay(temporaryFolder(), dlq(), '--to', 'exchange', '--dry-run', '--json');
    expect(JSON.parse(dry.stdout).would).toEqual([
      {
        target: `${broker.exchange}/analysis.completed`,
        queues: [broker.assessments, broker.notifications],
        type: 'analysis.completed',
        count: 2,
        invalid: 0,
      },
    ]);
    const { exitCode, stderr } = await replay(temporaryFolder(), dlq(), '--to', 'exchange', '--yes');
    expect(exitCode).toBe(0);
    expect(stderr).toContain(
      `${broker.exchange}/analysis.completed -> ${broker.assessments}, ${broker.notifications}`,
    );
    expect(await idsIn(broker, broker.notifications)).toEqual(idsOf(2));
    expect(await idsIn(broker, broker.assessments)).toEqual(idsOf(2));
  });

  it('--to NAME takes them to that queue; a queue that is not there is told before anything moves', async () => {
    await die(broker, 2);
    const missing = await replay(temporaryFolder(), dlq(), '--to', 'nowhere', '--yes');
    expect(missing.exitCode).toBe(1);
    expect(missing.stderr).toContain('queue "nowhere" does not exist');
    expect(await idsIn(broker, dlq())).toEqual(idsOf(2));
    const named = await replay(temporaryFolder(), dlq(), '--to', broker.assessments, '--yes');
    expect(named.exitCode).toBe(0);
    expect(await idsIn(broker, broker.assessments)).toEqual(idsOf(2));
  });

  it('--ids takes those, and reports the ones that are not there', async () => {
    await die(broker, 4);
    const run = await replay(temporaryFolder(), dlq(), '--ids', 'm-2,m-4,m-9', '--yes', '--json');
    expect(run.exitCode).toBe(3);
    expect(JSON.parse(run.stdout)).toMatchObject({ replayed: 2, left: 2, unknownIds: ['m-9'] });
    expect(await idsIn(broker, dlq())).toEqual(['m-1', 'm-3']);
    const none = await replay(temporaryFolder(), dlq(), '--ids', 'm-9', '--yes');
    expect(none.exitCode).toBe(1);
    expect(none.stderr).toContain(`Not in ${dlq()}: m-9`);
  });

  it('--filter and --limit take a part from the head, and leave the rest in its order', async () => {
    await die(broker, 6);
    const run = await replay(
      temporaryFolder(),
      ...[dlq(), '--filter', 'event.n > 2', '--limit', '3', '--yes', '--json'],
    );
    expect(run.exitCode).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ replayed: 3, left: 3 });
    const left = (await messagesIn(broker, dlq())).map(({ properties }) => properties.messageId);
    expect(left).toEqual(['m-1', 'm-2', 'm-6']);
  });

  it('--group takes the dead letters of one cause; a group that is not there is wrong usage', async () => {
    await die(broker, 2);
    await publishTo(broker, dlq(), 'f-1', broker.assessments);
    const groups = await runCli(['dlq', 'groups', dlq(), '--json'], broker.options());
    const ours: { group: string } = JSON.parse(groups.stdout).find(
      ({ reason }: { reason: string }) => reason === 'exhausted',
    );
    const run = await replay(temporaryFolder(), dlq(), '--group', ours.group, '--yes', '--json');
    expect(run.exitCode).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ replayed: 1, left: 2 });
    expect(await idsIn(broker, broker.assessments)).toEqual(['f-1']);
    const gone = await replay(temporaryFolder(), dlq(), '--group', ours.group, '--yes');
    expect(gone.exitCode).toBe(2);
    expect(gone.stderr).toContain(`There is no group ${ours.group} in ${dlq()}`);
  });

  it('skips what has nowhere to go, says what to do, and exits 3, or 1 when nothing could go', async () => {
    await die(broker, 1);
    await publishTo(broker, dlq(), 'f-1', 'gone');
    const some = await replay(temporaryFolder(), dlq(), '--yes', '--json');
    expect(some.exitCode).toBe(3);
    expect(JSON.parse(some.stdout)).toMatchObject({ replayed: 1, skipped: { 'queue-missing': 1 }, left: 1 });
    const none = await replay(temporaryFolder(), dlq(), '--yes');
    expect(none.exitCode).toBe(1);
    expect(none.stdout).toContain('1 skipped: the queue that they came from does not exist');
    expect(none.stderr).toContain('--to NAME');
    expect(await idsIn(broker, dlq())).toEqual(['f-1']);
  });

  it('replays several queues one after another, with a report each', async () => {
    await die(broker, 2);
    await publishTo(broker, `${broker.assessments}_dlq`, 'f-1', broker.assessments);
    const run = await replay(temporaryFolder(), dlq(), `${broker.assessments}_dlq`, '--yes', '--json');
    expect(run.exitCode).toBe(0);
    expect(JSON.parse(run.stdout)).toEqual([
      expect.objectContaining({ queue: dlq(), replayed: 2 }),
      expect.objectContaining({ queue: `${broker.assessments}_dlq`, replayed: 1 }),
    ]);
    const missing = await replay(temporaryFolder(), dlq(), `${dlq()}x`, '--yes');
    expect(missing.exitCode).toBe(1);
    expect(missing.stderr).toContain(`Did you mean "${dlq()}"?`);
  });

  it('an empty queue is nothing to do', async () => {
    const run = await replay(temporaryFolder(), dlq(), '--yes', '--json');
    expect(run.exitCode).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ replayed: 0, left: 0 });
  });

  it('without a terminal needs --yes, and then has moved nothing', async () => {
    await die(broker, 1);
    for (const more of [[], ['--no-input'], ['--json']]) {
      const run = await replay(temporaryFolder(), dlq(), ...more);
      expect(run.exitCode).toBe(2);
      expect(run.stderr).toContain('--yes');
    }
    expect(await idsIn(broker, dlq())).toEqual(['m-1']);
  });

  it('with a canary stops when too many die again, and leaves the rest untouched', async () => {
    await die(broker, 12);
    const run = await withTransport(broker, async (transport) => {
      const service = await transport.consume(broker.notifications, {}, (delivery) => delivery.reject());
      const ended = await replay(
        temporaryFolder(),
        ...[dlq(), '--canary', '2', '--canary-wait', '1500ms', '--max-deaths', '20%', '--yes', '--json'],
      );
      await service.close();
      return ended;
    });
    expect(run.exitCode).toBe(3);
    expect(JSON.parse(run.stdout)).toMatchObject({
      replayed: 2,
      boomeranged: 2,
      left: 12,
      stopped: 'canary',
    });
    expect(run.stderr).toBe('');
  });
});

/** Straight into a queue; with a failure record of `failedQueue` where one is given. */
function publishTo(broker: CommandBroker, name: string, id: string, failedQueue?: string): Promise<void> {
  return withTransport(broker, async (transport) => {
    await transport.apply({ ...EMPTY_TOPOLOGY, queues: [queue(name)] });
    await transport.publish({
      exchange: '',
      routingKey: name,
      body: toBody(eventOf(0)),
      properties: {
        messageId: id,
        ...(failedQueue !== undefined && {
          headers: { 'x-failure': failureHeader({ ...failure, queue: failedQueue }) },
        }),
      },
    });
  });
}

describe('replay-dlq, asked for what it cannot do', () => {
  it.each([
    [[], 'dlq list'],
    [['q', '--canary', 'few'], 'whole number'],
    [['q', '--limit', '0'], 'whole number'],
    [['q', '--rate', '-1'], 'not a number above 0'],
    [['q', '--group', 'analysis'], 'is not a group'],
    [['q', '--filter', 'reason ==', '--yes'], 'Not a filter'],
    [['q', '--ids', ','], 'No message id given'],
    [['q', '--max-deaths', '10', '--yes'], 'go with --canary'],
    [['q', '--canary', '1', '--max-deaths', '101'], 'percentage'],
    [['q', '--canary', '1', '--canary-wait', 'soon'], 'not a duration'],
    [['q', '--resume', 'r'], 'in the ledger'],
    [['--resume', 'r', '--limit', '3'], 'in the ledger'],
    [['--resume', 'r', '--abandon', 'r'], 'either --resume or --abandon'],
    [['--resume', 'r'], 'There is no ledger'],
    [['--abandon', 'r', '--yes'], 'There is no ledger'],
  ])('answers %j with exit 2 and what was meant', async (args, text) => {
    const { exitCode, stdout, stderr } = await runCli(['replay-dlq', ...args], { cwd: temporaryFolder() });
    expect(stderr).toContain(text);
    expect(exitCode).toBe(2);
    expect(stdout).toBe('');
  });

  it('exits 5 when the broker is not there, and has left no ledger', async () => {
    const cwd = temporaryFolder();
    const url = ['--url', 'amqp://me:s3cret@127.0.0.1:1', '--timeout', '300ms'];
    const { exitCode, stderr } = await runCli(['replay-dlq', 'q', '--yes', ...url], { cwd });
    expect(exitCode).toBe(5);
    expect(stderr).not.toContain('s3cret');
    expect(existsSync(join(cwd, 'atma-events'))).toBe(false);
  });
});
