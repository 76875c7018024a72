import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ReceivedMessage } from '../../src/core/message.js';
import { eventually } from '../await.js';
import { findProgram } from '../brokers/programs.js';
import { rabbitInstalled, sharedRabbit } from '../brokers/shared.js';
import { startTcpProxy } from '../brokers/tcp-proxy.js';
import { type CommandBroker, describeOnBothBrokers } from './brokers.js';
import { runCli, startCli, temporaryFolder } from './cli.js';

const FIXTURE = fileURLToPath(new URL('../../fixtures/atma/events.jsonl', import.meta.url));
const FIXTURE_LINES = readFileSync(FIXTURE, 'utf8').trimEnd().split('\n');
const STARTED = FIXTURE_LINES[0] ?? '';

async function messagesIn(broker: CommandBroker, queue: string): Promise<ReceivedMessage[]> {
  const transport = await broker.open();
  const messages: ReceivedMessage[] = [];
  for await (const message of transport.browse(queue)) messages.push(message);
  await transport.close();
  return messages;
}

describeOnBothBrokers('publish', (broker) => {
  beforeEach(async () => {
    await broker.clean();
    const transport = await broker.open();
    const { atma } = await import('../../src/presets/atma.js');
    await transport.apply(atma.build(broker.env).topology);
    await transport.close();
  });

  it('sends one event to every bound queue and says so', async () => {
    const { exitCode, stdout } = await runCli(
      ['publish', 'analysis.completed', '--sample', '--json'],
      broker.options(),
    );
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ published: 1, confirmed: 1, returned: 0, failed: 0, errors: [] });
    for (const queue of [broker.notifications, broker.assessments]) {
      const [message] = await messagesIn(broker, queue);
      expect(message?.properties).toMatchObject({ type: 'analysis.completed', deliveryMode: 2 });
      expect(message?.properties.messageId).toMatch(/^[0-9a-f-]{36}-analysis\.completed-\d{13}$/);
      expect(JSON.parse(String(message?.body))).toMatchObject({
        eventType: 'analysis.completed',
        userEmail: 'user@example.com',
      });
    }
  });

  it('takes data from text, a file or stdin, and fields from --set', async () => {
    const file = join(temporaryFolder(), 'started.json');
    writeFileSync(file, STARTED);
    const runs = [
      await runCli(
        ['publish', 'analysis.started', '--data', STARTED, '--set', 'metadata.retryCount=1'],
        broker.options(),
      ),
      await runCli(
        ['publish', 'analysis.started', '--data', `@${file}`, '--set', 'metadata.retryCount=2'],
        broker.options(),
      ),
      await runCli(
        ['publish', 'analysis.started', '--data', '-', '--set', 'metadata.retryCount=3'],
        broker.options({ input: STARTED }),
      ),
    ];
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
    const bodies = (await messagesIn(broker, broker.notifications)).map(({ body }) =>
      JSON.parse(String(body)),
    );
    expect(bodies.map(({ metadata }) => metadata.retryCount)).toEqual([1, 2, 3]);
    expect(bodies.map(({ timestamp }) => timestamp)).toEqual(Array(3).fill(JSON.parse(STARTED).timestamp));
  });

  it('gives each of --count events an id of its own', async () => {
    const { exitCode } = await runCli(
      ['publish', 'analysis.started', '--sample', '--count', '20'],
      broker.options(),
    );
    expect(exitCode).toBe(0);
    const ids = (await messagesIn(broker, broker.assessments)).map(({ properties }) => properties.messageId);
    expect(new Set(ids).size).toBe(20);
  });

  it('sends every line of a file in order, with the bodies as they are in it', async () => {
    const { exitCode, stdout } = await runCli(['publish', '--from', FIXTURE, '--json'], broker.options());
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ published: 10, confirmed: 10, returned: 0, failed: 0, errors: [] });
    expect((await messagesIn(broker, broker.notifications)).map(({ body }) => String(body))).toEqual(
      FIXTURE_LINES,
    );
  });

  it('names file, line, field and the closest known type, sends the rest and exits 3', async () => {
    const file = join(temporaryFolder(), 'mixed.jsonl');
    const noJob = JSON.stringify({ ...JSON.parse(STARTED), jobId: 7 });
    writeFileSync(
      file,
      [STARTED, '{"eventType":"analysis.complete"}', 'not json', '', noJob, STARTED].join('\n'),
    );
    const { exitCode, stdout, stderr } = await runCli(
      ['publish', '--from', file, '--json'],
      broker.options(),
    );
    expect(exitCode).toBe(3);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ published: 2, confirmed: 2, returned: 0, failed: 3 });
    expect(report.errors).toEqual([
      { line: 2, code: 'event-unknown', message: 'No event "analysis.complete" in the catalog' },
      { line: 3, code: 'input-invalid', message: "Not JSON: Unexpected token 'o'" },
      {
        line: 5,
        code: 'event-invalid',
        message: 'Not a valid analysis.started: jobId: expected a UUID',
      },
    ]);
    expect(stderr).toContain(`${file}:2:`);
    expect(stderr).toContain('Did you mean "analysis.completed"?');
  });

  it('says that no queue is bound, returned and not lost without a word', async () => {
    const transport = await broker.open();
    await transport.remove({ queues: [broker.notifications, broker.assessments] });
    await transport.close();
    const { exitCode, stdout, stderr } = await runCli(
      ['publish', 'analysis.started', '--sample', '--json'],
      broker.options(),
    );
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      published: 1,
      confirmed: 0,
      returned: 1,
      failed: 0,
      errors: [{ code: 'unroutable' }],
    });
    expect(stderr).toContain('no queue is bound for "analysis.started"');
    expect(stderr).toContain('setup');
  });

  it('names the line to continue from when it is interrupted, having sent every line before it', async () => {
    const running = startCli(['publish', '--from', '-', '--json'], broker.options());
    running.child.stdin?.write(`${FIXTURE_LINES.slice(0, 4).join('\n')}\n`);
    await eventually(
      'four events are there',
      async () => (await messagesIn(broker, broker.notifications)).length === 4,
    );
    running.child.kill('SIGINT');
    const { exitCode, stdout } = await running.ended;
    expect(exitCode).toBe(130);
    expect(JSON.parse(stdout)).toEqual({
      published: 4,
      confirmed: 4,
      returned: 0,
      failed: 0,
      errors: [],
      startLine: 5,
    });
    await runCli(['publish', '--from', FIXTURE, '--start-line', '5'], broker.options());
    expect((await messagesIn(broker, broker.notifications)).map(({ body }) => String(body))).toEqual(
      FIXTURE_LINES,
    );
  });

  it('with --dry-run validates and sends nothing', async () => {
    const { exitCode, stdout } = await runCli(['publish', '--from', FIXTURE, '--dry-run'], broker.options());
    expect(exitCode).toBe(0);
    expect(stdout).toContain('10 events valid');
    expect(await messagesIn(broker, broker.notifications)).toEqual([]);
  });

  it.each([
    [[], 'Nothing to publish'],
    [['analysis.started'], 'No data for analysis.started'],
    [['analysis.strated', '--sample'], 'Did you mean "analysis.started"?'],
    [['analysis.started', '--from', 'x'], '--from takes its events from the file'],
    [['analysis.started', '--data', '{'], '--data is not JSON'],
    [['analysis.started', '--data', '@/nowhere.json'], 'Cannot read /nowhere.json'],
    [['analysis.started', '--sample', '--set', 'metadata.retryCount=-1'], 'metadata.retryCount'],
    [['--from', '/nowhere.jsonl'], 'Cannot read /nowhere.jsonl'],
  ])('refuses %j with exit 2', async (args, text) => {
    const { exitCode, stderr } = await runCli(['publish', ...args], broker.options());
    expect(stderr).toContain(text);
    expect(exitCode).toBe(2);
  });
});

describe('publish without a broker', () => {
  it('exits 5 within the timeout, in JSON too, and shows no password', async () => {
    const args = [
      'publish',
      'analysis.started',
      '--sample',
      '--json',
      '--timeout',
      '300ms',
      '--url',
      'amqp://u:hush@127.0.0.1:1',
    ];
    const { exitCode, stdout, stderr } = await runCli(args);
    expect(exitCode).toBe(5);
    expect(JSON.parse(stdout)).toMatchObject({
      published: 0,
      confirmed: 0,
      failed: 1,
      errors: [{ code: 'unreachable' }],
    });
    expect(stdout + stderr).not.toContain('hush');
  });
});

describe.skipIf(!rabbitInstalled)('publish --from on a RabbitMQ that is cut off in the middle', () => {
  it('stops, exits 5, and continuing from the line it names loses nothing', async () => {
    const { url } = await sharedRabbit();
    const proxy = await startTcpProxy(Number(new URL(url).port));
    const proxied = url.replace(/:\d+$/, `:${proxy.port}`);
    const env = {
      EVENTS_EXCHANGE_NAME: 'cut_events',
      EVENTS_QUEUE_NAME_NOTIFICATIONS: 'cut_n',
      EVENTS_QUEUE_NAME_ASSESSMENTS: 'cut_a',
    };
    await runCli(['setup', '--url', url], { env });
    const lines = Array.from({ length: 30_000 }, (_, n) =>
      JSON.stringify({ ...JSON.parse(STARTED), timestamp: new Date(1.7e12 + n).toISOString() }),
    );
    const file = join(temporaryFolder(), 'many.jsonl');
    writeFileSync(file, `${lines.join('\n')}\n`);
    const { createTransport } = await import('../../src/transports/index.js');
    const transport = await createTransport(url);
    const running = startCli(['publish', '--from', file, '--json', '--timeout', '1s', '--url', proxied], {
      env,
    });
    await eventually('some are there', async () => ((await transport.counts('cut_n'))?.ready ?? 0) > 3000);
    proxy.refuse();
    proxy.cut();
    const { exitCode, stdout } = await running.ended;
    expect(exitCode).toBe(5);
    const { startLine } = JSON.parse(stdout);
    expect(startLine).toBeGreaterThan(1000);
    await runCli(['publish', '--from', file, '--start-line', String(startLine), '--url', url], { env });
    const seen = new Set<string | undefined>();
    for await (const { properties } of transport.browse('cut_n')) seen.add(properties.messageId);
    expect(seen.size).toBe(30_000);
    await transport.remove({
      queues: ['cut_n', 'cut_a', 'cut_n_dlq', 'cut_a_dlq'],
      exchanges: ['cut_events', 'cut_events_dlx'],
    });
    await transport.close();
    await proxy.close();
  }, 60_000);
});

describe.skipIf(!rabbitInstalled || findProgram('amqp-get') === undefined)('what publish sends', () => {
  let url: string;
  beforeAll(async () => {
    url = (await sharedRabbit()).url;
  });

  it('is read by amqp-get unchanged', async () => {
    const env = {
      EVENTS_EXCHANGE_NAME: 'get_events',
      EVENTS_QUEUE_NAME_NOTIFICATIONS: 'get_n',
      EVENTS_QUEUE_NAME_ASSESSMENTS: 'get_a',
    };
    await runCli(['setup', '--url', url], { env });
    await runCli(['publish', 'analysis.started', '--data', STARTED, '--url', url], { env });
    expect(execFileSync('amqp-get', ['-u', url, '-q', 'get_n']).toString()).toBe(STARTED);
    const { createTransport } = await import('../../src/transports/index.js');
    const transport = await createTransport(url);
    await transport.remove({
      queues: ['get_n', 'get_a', 'get_n_dlq', 'get_a_dlq'],
      exchanges: ['get_events', 'get_events_dlx'],
    });
    await transport.close();
  });
});
