import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import type { MessageProperties } from '../../src/core/message.js';
import { createPublisher } from '../../src/core/publishing/publisher.js';
import { atma } from '../../src/presets/atma.js';
import { eventually } from '../await.js';
import { rabbitInstalled } from '../brokers/shared.js';
import { type CommandBroker, describeOnBothBrokers } from './brokers.js';
import { runCli, startCli, temporaryFolder } from './cli.js';

const { catalog } = atma.build({});
const sample = catalog.get('analysis.completed').sample as never;

async function send(
  broker: CommandBroker,
  ...messages: [routingKey: string, body: Buffer, properties?: MessageProperties][]
) {
  const transport = await broker.open();
  for (const [routingKey, body, properties = {}] of messages) {
    await transport.publish({ exchange: broker.exchange, routingKey, body, properties, mandatory: false });
  }
  await transport.close();
}

async function sendEvent(broker: CommandBroker) {
  const transport = await broker.open();
  await createPublisher(transport, atma.build(broker.env).catalog).publish('analysis.completed', sample);
  await transport.close();
}

async function tailing(broker: CommandBroker, ...args: string[]) {
  const running = startCli(['tail', ...args], broker.options());
  await running.says('tailing ');
  return running;
}

const linesOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

describeOnBothBrokers('tail', (broker) => {
  beforeEach(async () => {
    await broker.clean();
    const transport = await broker.open();
    await transport.apply(atma.build(broker.env).topology);
    await transport.close();
  });

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

  it('ends quietly when its reader does', async () => {
    const tail = startCli(['tail', '--json'], broker.options());
    await tail.says('tailing ');
    tail.child.stdout?.destroy();
    await sendEvent(broker);
    // The first write may still fit the pipe's buffer: events go on until the command notices.
    const noticed = tail.ended;
    for (let sent = 0; sent < 200 && tail.child.exitCode === null; sent++) {
      await sendEvent(broker);
      await pause(5);
    }
    expect(await noticed).toMatchObject({ exitCode: 0 });
    expect(tail.stderr()).not.toContain('EPIPE');
  });

  it('sums up on Ctrl-C, exits 130, and its queue is gone', async () => {
    const tail = await tailing(broker);
    await sendEvent(broker);
    await eventually('the event is shown', () => tail.stdout().includes('analysis.completed'));
    tail.child.kill('SIGINT');
    const { exitCode, stderr } = await tail.ended;
    expect(exitCode).toBe(130);
    expect(stderr).toContain('1 event');
    const transport = await broker.open();
    await transport.remove({ queues: [broker.notifications, broker.assessments] });
    await expect(
      transport.publish({
        exchange: broker.exchange,
        routingKey: 'analysis.completed',
        body: Buffer.alloc(0),
        properties: {},
      }),
    ).rejects.toMatchObject({ code: 'unroutable' });
    await transport.close();
  });

  it('stops with exit 1 when the file cannot take another line', async () => {
    const tail = await tailing(broker, '--save', '/dev/full');
    await sendEvent(broker);
    const { exitCode, stderr } = await tail.ended;
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Cannot write /dev/full');
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

  it.each([
    [['--queue', 'x'], 2, '--queue needs --browse'],
    [['--browse'], 2, '--browse needs --queue'],
    [['--filter', '1 +'], 2, 'does not parse'],
    [['--for', 'ages'], 2, 'not a duration'],
    [['--queue', 'no-such-queue', '--browse'], 1, 'no-such-queue'],
    [['--exchange', 'no-such-exchange'], 1, 'no-such-exchange'],
    [['--save', '/no/such/folder/x'], 1, 'Cannot write'],
  ])('refuses %j', async (args, code, text) => {
    const { exitCode, stderr } = await runCli(['tail', ...args], broker.options());
    expect(stderr).toContain(text);
    expect(exitCode).toBe(code);
  });

  it('ends after --for', async () => {
    expect(await runCli(['tail', '--for', '100ms'], broker.options())).toMatchObject({ exitCode: 0 });
  });

  // A file that every process opens by itself cannot be cut off: this is for the remote broker only.
  if (broker.name === 'amqp')
    it('says so when it was cut off and may have missed events', async () => {
      const tail = await tailing(broker, '--count', '1');
      await cutConnections(broker);
      await tail.says('connection restored');
      await eventually('an event after the gap is shown', async () => {
        await sendEvent(broker);
        return tail.stdout() !== '';
      });
      await tail.ended;
      expect(tail.stderr()).toContain('was cut off from the broker: events may be missing here');
    });

  if (broker.name === 'amqp')
    it.skipIf(!existsSync('/usr/bin/amqp-publish'))('sees what amqp-publish sends', async () => {
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

describe.skipIf(!rabbitInstalled)('tail', () => {
  it('exits 5 without a broker', async () => {
    const { exitCode } = await runCli(['tail', '--timeout', '200ms', '--url', 'amqp://u:p@127.0.0.1:1']);
    expect(exitCode).toBe(5);
  });
});

/** Closes the tail's own connections through the management API. */
async function cutConnections(broker: CommandBroker): Promise<void> {
  const { sharedRabbit } = await import('../brokers/shared.js');
  const { managementUrl } = await sharedRabbit();
  const headers = { authorization: `Basic ${Buffer.from('guest:guest').toString('base64')}` };
  const names = await eventually('the connection is listed', async () => {
    const response = await fetch(`${managementUrl}/api/connections`, { headers });
    const connections = (await response.json()) as {
      name: string;
      client_properties: { connection_name?: string };
    }[];
    const consuming = connections.filter(({ client_properties }) =>
      / consume$/.test(client_properties.connection_name ?? ''),
    );
    return consuming.length > 0 && consuming.map(({ name }) => name);
  });
  for (const name of names) {
    await fetch(`${managementUrl}/api/connections/${encodeURIComponent(name)}`, {
      method: 'DELETE',
      headers,
    });
  }
  expect(broker.name).toBe('amqp');
}
