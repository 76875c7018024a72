import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { MessageProperties } from '../../src/core/message.js';
import { eventually } from '../await.js';
import { findProgram } from '../brokers/programs.js';
import { runCli, temporaryFolder } from './cli.js';
import { describeTail, linesOf, sample, send, sendEvent, tailing } from './tailing.js';

describeTail('tail', (broker) => {
  it('prints one JSON object per event, with the documented fields, and takes nothing from a consumer', async () => {
    const tail = await tailing(broker, 'analysis.*', '--count', '1', '--json');
    await sendEvent(broker);
    const { exitCode, stdout } = await tail.ended;
    expect(exitCode).toBe(0);
    const [record, ...more] = linesOf(stdout);
    expect(more).toEqual([]);
    expect(Object.keys(record)).toEqual([
      'receivedAt',
      'exchange',
      'routingKey',
      'messageId',
      'type',
      'headers',
      'valid',
      'event',
    ]);
    expect(record).toMatchObject({
      exchange: broker.exchange,
      routingKey: 'analysis.completed',
      type: 'analysis.completed',
      headers: {},
      valid: true,
      event: { eventType: 'analysis.completed', userEmail: 'user@example.com' },
    });
    const transport = await broker.open();
    expect((await transport.counts(broker.notifications))?.ready).toBe(1);
    await transport.close();
  });

  it('shows people no e-mail address and no control character', async () => {
    const tail = await tailing(broker, '--count', '3');
    await sendEvent(broker);
    await send(broker, ['evil\u001b[2J', Buffer.from('\u001b]0;owned\u0007 budi@example.com')]);
    await send(broker, [
      'analysis.started',
      Buffer.from('{"eventType":"analysis.started","jobId":"\u009b31m"}'),
    ]);
    const { stdout } = await tail.ended;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the point
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(stdout).not.toContain('budi@');
    expect(stdout).not.toContain('user@');
    expect(stdout).toContain('***@example.com');
    expect(stdout).toContain('\\x1b]0;owned\\x07');
  });

  it('goes on past bodies that are not JSON, not UTF-8, empty or 16 MiB, and says what they are', async () => {
    const tail = await tailing(broker, '--count', '5', '--json');
    await send(
      broker,
      ['a', Buffer.from('plain text')],
      ['b', Buffer.from([0xff, 0xfe, 0x80])],
      ['c', Buffer.alloc(0)],
      ['d', Buffer.alloc(16 * 1024 * 1024, 'x')],
    );
    await sendEvent(broker);
    const records = linesOf((await tail.ended).stdout);
    expect(records.map(({ valid }) => valid)).toEqual([false, false, false, false, true]);
    expect(records.slice(0, 4).map(({ event }) => event)).toEqual([null, null, null, null]);
    expect(records[1].errors).toEqual([{ path: '', message: 'the body is not UTF-8 text' }]);
  });

  it('follows only its patterns, and shows only what the filter is true for', async () => {
    const tail = await tailing(
      broker,
      'analysis.failed',
      'other.#',
      '--filter',
      'has(event.n) && event.n >= 2',
      '--count',
      '2',
      '--json',
    );
    await send(
      broker,
      ['analysis.completed', Buffer.from('{"n":9}')],
      ['analysis.failed', Buffer.from('{"n":1}')],
      ['analysis.failed', Buffer.from('no json')],
      ['analysis.failed', Buffer.from('{"n":2}')],
      ['other.x.y', Buffer.from('{"n":3}')],
    );
    expect(linesOf((await tail.ended).stdout).map(({ event }) => event.n)).toEqual([2, 3]);
  });

  it('saves a file that publish --from sends again byte for byte, headers and properties included', async () => {
    const folder = temporaryFolder();
    const [first, second] = [join(folder, '1.jsonl'), join(folder, '2.jsonl')];
    const properties: MessageProperties = {
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      correlationId: 'c-1',
      replyTo: 'nobody',
      messageId: 'm-1',
      timestamp: 1704067200,
      type: 'analysis.unknown',
      appId: 'worker',
      priority: 3,
      deliveryMode: 1,
      headers: {
        text: 'halo 🎉',
        list: [1, 'two', null, true, { deep: [] }],
        int64: { '!': 'int64', value: '9007199254740993' },
        double: { '!': 'double', value: 1 },
        when: { '!': 'timestamp', value: 1704067200 },
        bytes: { '!': 'bytes', value: 'AP8=' },
      },
    };
    const save = await tailing(broker, '--count', '3', '--save', first);
    await sendEvent(broker);
    await send(
      broker,
      ['analysis.failed', Buffer.from('{ "odd" :1.0,\t"big":12345678901234567890}'), properties],
      ['analysis.started', Buffer.from([0, 255, 128])],
    );
    expect((await save.ended).exitCode).toBe(0);
    expect(statSync(first).mode & 0o777).toBe(0o600);

    const again = await tailing(broker, '--count', '3', '--save', second);
    expect(await runCli(['publish', '--from', first], broker.options())).toMatchObject({ exitCode: 0 });
    await again.ended;
    const withoutTime = (file: string) =>
      linesOf(readFileSync(file, 'utf8')).map(({ receivedAt, ...rest }) => rest);
    expect(withoutTime(second)).toEqual(withoutTime(first));
    expect(withoutTime(first)[1].properties).toEqual(properties);
    expect(withoutTime(first)[2].bodyBase64).toBe('AP+A');
  });

  it('browses a queue and leaves it as it was', async () => {
    await sendEvent(broker);
    await sendEvent(broker);
    const { exitCode, stdout } = await runCli(
      ['tail', '--queue', broker.notifications, '--browse', '--json'],
      broker.options(),
    );
    expect(exitCode).toBe(0);
    expect(linesOf(stdout)).toHaveLength(2);
    const transport = await broker.open();
    await eventually(
      'both are ready again',
      async () => (await transport.counts(broker.notifications))?.ready === 2,
    );
    await transport.close();
  });

  it('browses a message from a time that no calendar has', async () => {
    await send(broker, ['analysis.failed', Buffer.from('no json'), { timestamp: 8_640_000_000_001 }]);
    const { exitCode, stdout } = await runCli(
      ['tail', '--queue', broker.notifications, '--browse'],
      broker.options(),
    );
    expect(stdout).toMatch(/^\(no time\) .*analysis\.failed/);
    expect(exitCode).toBe(0);
  });

  it.each([
    [['--queue', 'x'], 2, '--queue needs --browse'],
    [['--browse'], 2, '--browse needs --queue'],
    [['--filter', '1 +'], 2, 'Not a filter'],
    [['--for', 'ages'], 2, 'not a duration'],
    [['--queue', 'no-such-queue', '--browse'], 1, 'no-such-queue'],
    [['--exchange', 'no-such-exchange'], 1, 'no-such-exchange'],
    [['--save', '/no/such/folder/x'], 1, 'Cannot write'],
  ])('refuses %j', async (args, code, text) => {
    const { exitCode, stderr } = await runCli(['tail', ...args], broker.options());
    expect(stderr).toContain(text);
    expect(exitCode).toBe(code);
  });

  if (broker.name === 'amqp')
    it.skipIf(findProgram('amqp-publish') === undefined)('sees what amqp-publish sends', async () => {
      const tail = await tailing(broker, '--count', '1', '--json');
      const body = JSON.stringify({
        eventType: 'analysis.completed',
        timestamp: '2024-01-01T00:00:00.000Z',
        ...(sample as object),
      });
      execFileSync('amqp-publish', [
        '-u',
        broker.url(),
        '-e',
        broker.exchange,
        '-r',
        'analysis.completed',
        '-b',
        body,
      ]);
      const [record] = linesOf((await tail.ended).stdout);
      expect(record).toMatchObject({ valid: true, messageId: null, event: JSON.parse(body) });
    });
});
