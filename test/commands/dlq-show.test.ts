import { expect, it } from 'vitest';
import { failed, failure, fixture } from '../dead-letters/letters.js';
import { withTransport } from './brokers.js';
import { runCli } from './cli.js';
import { buried, content, describeDlq, rejected } from './dead-letters.js';
import { linesOf } from './tailing.js';

const BIG = '{"eventType":"analysis.completed","userEmail":"budi@example.com","order":12345678901234567890}';

describeDlq('dlq show', (broker, dlq) => {
  const show = (...args: string[]) => runCli(['dlq', 'show', dlq(), ...args], broker.options());

  it('prints one line of JSON per dead letter, with the documented fields', async () => {
    await rejected(broker, { body: BIG, properties: { messageId: 'm-1' } });
    const { exitCode, stdout } = await show('--json');
    expect(exitCode).toBe(0);
    const [line, ...more] = linesOf(stdout);
    expect(more).toEqual([]);
    expect(Object.keys(line)).toEqual([
      ...['receivedAt', 'exchange', 'routingKey', 'messageId', 'type', 'headers', 'valid', 'errors', 'event'],
      ...['number', 'id', 'group', 'death'],
    ]);
    expect(line).toMatchObject({
      exchange: `${broker.exchange}_dlx`,
      routingKey: 'notifications.dlq',
      messageId: 'm-1',
      type: 'analysis.completed',
      event: { userEmail: 'budi@example.com' },
      number: 1,
      id: 'm-1',
      group: expect.stringMatching(/^[0-9a-f]{8}$/),
    });
    expect(line.death).toEqual({
      reason: 'rejected',
      queue: broker.notifications,
      exchange: broker.exchange,
      routingKey: 'analysis.completed',
      attempts: 1,
      firstDiedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      lastDiedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      failure: null,
      history: [
        {
          queue: broker.notifications,
          reason: 'rejected',
          count: 1,
          time: line.death.lastDiedAt,
          exchange: broker.exchange,
          routingKeys: ['analysis.completed'],
        },
      ],
    });
  });

  it('holds the failure record as the consumer wrote it', async () => {
    await buried(broker, { body: '{}', headers: failed() });
    const [line] = linesOf((await show('--json')).stdout);
    expect(line.death).toMatchObject({ reason: 'exhausted', attempts: 5, failure });
    expect(line.id).toMatch(/^sha256-[0-9a-f]{64}$/);
  });

  it('tells people what failed, where and since when, with the body and without addresses', async () => {
    await rejected(broker, { body: BIG });
    await buried(broker, { body: BIG, headers: failed(), properties: { messageId: 'm-2' } });
    const { stdout, stderr } = await show();
    const [first = '', second = ''] = stdout.split(/\n\n(?=2 )/);
    expect(first).toMatch(/^1 {2}analysis\.completed\n/);
    expect(first).toMatch(/^ {3}reason +rejected, 1 time$/m);
    expect(first).toMatch(new RegExp(`^ {3}given up by +${broker.notifications}$`, 'm'));
    expect(first).toMatch(new RegExp(`^ {3}first sent +${broker.exchange} analysis.completed$`, 'm'));
    expect(first).toMatch(/^ {3}history +\d{4}-\S+Z {2}rejected in /m);
    expect(first).toContain('"order": 12345678901234567890');
    expect(second).toMatch(/^2 {2}analysis\.completed\n {3}id +m-2\n/);
    expect(second).toMatch(/^ {3}reason +exhausted, 5 attempts$/m);
    expect(second).toMatch(/^ {3}error +TypeError: no socket for \*\*\*@example.com$/m);
    expect(second).toContain('at tell (/srv/sockets.js:41:19)');
    expect(second).toContain('notifications, consumer notification-service');
    expect(stdout).not.toContain('budi@');
    expect(stderr).toContain('2 of 2 dead letters shown');
  });

  it('leaves depth, order and content as they were', async () => {
    await rejected(broker, ...Array.from({ length: 25 }, (_, n) => ({ body: `{"n":${n}}` })));
    const before = await content(broker, dlq());
    expect(linesOf((await show('--json')).stdout)).toHaveLength(20);
    expect(linesOf((await show('--limit', '3', '--json')).stdout).map(({ event }) => event.n)).toEqual([
      0, 1, 2,
    ]);
    await show('--filter', 'event.n == 24', '--json');
    expect(before).toHaveLength(25);
    expect(await content(broker, dlq())).toEqual(before);
  });

  it('shows only what the filter is true for, by event and by death, up to the limit', async () => {
    await rejected(broker, { body: '{"n":1}' }, { body: '{"n":2}' });
    await buried(
      broker,
      { body: '{"n":3}', headers: failed() },
      { body: '{"n":4}', headers: failed({ exception: 'RangeError' }) },
      { body: 'no json', headers: failed() },
    );
    const numbers = async (...args: string[]) =>
      linesOf((await show('--json', ...args)).stdout).map(({ number }) => number);
    expect(await numbers('--filter', 'reason == "rejected"')).toEqual([1, 2]);
    expect(await numbers('--filter', 'failure.exception == "TypeError"')).toEqual([3, 5]);
    expect(await numbers('--filter', 'has(event.n) && event.n > 1', '--limit', '2')).toEqual([2, 3]);
    expect(await numbers('--filter', `queue == "${broker.notifications}"`)).toEqual([1, 2]);
    const unfit = await show('--filter', 'event.n > 3');
    expect(unfit.stderr).toContain('1 of 5 dead letters shown, 1 more lack a field');
  });

  it('shows one group, and answers a group that is not there with the way to find one', async () => {
    await rejected(broker, { body: '{"n":1}' });
    await buried(broker, { body: '{"n":2}', headers: failed() });
    const [, second] = linesOf((await show('--json')).stdout);
    expect(linesOf((await show('--json', '--group', second.group)).stdout)).toHaveLength(1);
    const unknown = await show('--group', '00000000');
    expect(unknown.exitCode).toBe(2);
    expect(unknown.stderr).toContain(`There is no group 00000000 in ${dlq()}`);
    expect(unknown.stderr).toContain(`dlq groups ${dlq()}`);
    expect(await show('--group', 'all')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('not a group'),
    });
  });

  it('goes on past bodies that are no JSON, and --json has them whole', async () => {
    const binary = Buffer.from([0, 255, 128]);
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
    await rejected(
      broker,
      { body: 'plain' },
      { body: binary },
      { body: '' },
      { body: deep },
      { body: 'null' },
    );
    const lines = linesOf((await show('--json')).stdout);
    expect(lines.map(({ event }) => event)).toEqual([null, null, null, null, null]);
    expect(lines.map(({ body, bodyBase64 }) => body ?? Buffer.from(bodyBase64, 'base64'))).toEqual([
      'plain',
      binary,
      '',
      deep,
      'null',
    ]);
    const { exitCode, stdout } = await show();
    expect(exitCode).toBe(0);
    expect(stdout).toContain('5 bytes, the body is not JSON');
    expect(stdout).toContain('100000 bytes in all');
  });

  it('lets nothing drive the terminal: bodies, headers, names, records', async () => {
    const evil = '\u001b]0;owned\u0007\u009b2J\u202e';
    await rejected(broker, {
      body: JSON.stringify({ eventType: evil }).replace('\\u001b', '\u001b'),
      properties: { messageId: evil },
    });
    await buried(broker, {
      body: `{"a":"${'\u009b'}31m"}`,
      headers: {
        ...failed({ exception: evil, message: `${evil}\nbudi@example.com`, consumer: evil }),
        'x-death': evil,
      },
      properties: { type: evil },
    });
    const { exitCode, stdout } = await show();
    expect(exitCode).toBe(0);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the point
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(stdout).not.toContain('budi@');
    expect(stdout).toContain('\\x1b]0;owned\\x07');
  });

  it('reads the dead letters of the job queue that nobody could inspect', async () => {
    const jobs = `assessment_analysis_${broker.exchange}_dlq`;
    await withTransport(broker, async (transport) => {
      const spec = { name: jobs, durable: true, exclusive: false as const, autoDelete: false, arguments: {} };
      await transport.apply({ exchanges: [], queues: [spec], bindings: [] });
      for (const message of fixture('assessment_analysis_dlq')) {
        await transport.publish({ ...message, exchange: '', routingKey: jobs });
      }
    });
    try {
      const { stdout } = await runCli(['dlq', 'show', jobs, '--json'], broker.options());
      const deaths = linesOf(stdout).map(({ death: { reason, queue, exchange, routingKey } }) => {
        return [reason, queue, exchange, routingKey].join(' ');
      });
      expect(deaths).toEqual(Array(7).fill('rejected assessment_analysis atma_exchange analysis.process'));
    } finally {
      await withTransport(broker, (transport) => transport.remove({ queues: [jobs] }));
    }
  });

  it.each([
    [['--filter', '1 +'], 2, 'Not a filter'],
    [['--filter', 'reasons == "x"'], 2, 'Not a filter'],
    [['--limit', '0'], 2, 'whole number'],
  ])('refuses %j', async (args, code, text) => {
    const { exitCode, stderr } = await show(...args);
    expect([exitCode, stderr]).toEqual([code, expect.stringContaining(text)]);
  });

  it('says so when the queue is empty, and names the closest when there is none', async () => {
    expect(await show()).toMatchObject({ exitCode: 0, stdout: '', stderr: `${dlq()} is empty.\n` });
    const { exitCode, stderr } = await runCli(['dlq', 'show', `${dlq()}s`], broker.options());
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`Did you mean "${dlq()}"?`)]);
  });
});
