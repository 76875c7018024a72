import { existsSync } from 'node:fs';
import { join } from 'node:path';
import amqp from 'amqplib';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { exchange, queue } from '../../src/core/topology/model.js';
import { eventually } from '../await.js';
import { rabbitInstalled, sharedRabbit } from '../brokers/shared.js';
import { describeOnBothBrokers } from './brokers.js';
import { runCli, temporaryFolder } from './cli.js';

describeOnBothBrokers('setup', (broker) => {
  beforeEach(() => broker.clean());

  it('creates everything, and changes nothing when it runs again', async () => {
    const first = await runCli(['setup', '--json'], broker.options());
    expect(first).toMatchObject({ exitCode: 0 });
    const created = JSON.parse(first.stdout);
    expect(Object.keys(created)).toEqual(['transport', 'changes', 'applied']);
    expect(created.transport).toBe(broker.name);
    expect(created.applied).toBe(true);
    expect(created.changes.map((change: { action: string }) => change.action)).toEqual(
      Array(14).fill('create'),
    );
    expect(created.changes[2]).toEqual({
      action: 'create',
      kind: 'queue',
      name: broker.notifications,
      reason: `durable, x-dead-letter-exchange=${broker.exchange}_dlx, x-dead-letter-routing-key=notifications.dlq`,
    });
    const second = await runCli(['setup', '--json'], broker.options());
    expect(
      JSON.parse(second.stdout).changes.every((change: { action: string }) => change.action === 'keep'),
    ).toBe(true);
    expect(second.exitCode).toBe(0);
  });

  it('with --check or --dry-run writes nothing; --check tells by exit code', async () => {
    expect((await runCli(['setup', '--dry-run'], broker.options())).exitCode).toBe(0);
    expect((await runCli(['setup', '--check'], broker.options())).exitCode).toBe(4);
    expect((await runCli(['setup', '--check'], broker.options())).exitCode).toBe(4);
    await runCli(['setup'], broker.options());
    const check = await runCli(['setup', '--check'], broker.options());
    expect(check).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('Everything is as declared.'),
    });
  });

  it('notices a single binding that is missing', async () => {
    await runCli(['setup'], broker.options());
    const transport = await broker.open();
    await transport.remove({ queues: [`${broker.assessments}_dlq`] });
    await transport.apply({ exchanges: [], queues: [queue(`${broker.assessments}_dlq`)], bindings: [] });
    await transport.close();
    const check = await runCli(['setup', '--check', '--json'], broker.options());
    expect(check.exitCode).toBe(4);
    const missing = JSON.parse(check.stdout).changes.filter(
      (change: { action: string }) => change.action === 'create',
    );
    expect(missing).toEqual([
      {
        action: 'create',
        kind: 'binding',
        name: `${broker.exchange}_dlx -> ${broker.assessments}_dlq (assessments.dlq)`,
      },
    ]);
  });

  it('names every argument of a conflict with both values, and changes nothing at all', async () => {
    const transport = await broker.open();
    const other = queue(broker.assessments, { 'x-message-ttl': 1000, 'x-dead-letter-exchange': 'elsewhere' });
    await transport.apply({
      exchanges: [exchange(broker.exchange, 'direct')],
      queues: [other],
      bindings: [],
    });
    const { exitCode, stdout, stderr } = await runCli(['setup', '--json', '--yes'], broker.options());
    expect(exitCode).toBe(4);
    const { changes, applied } = JSON.parse(stdout);
    expect(applied).toBe(false);
    const conflicts = changes.filter((change: { action: string }) => change.action === 'conflict');
    expect(conflicts).toEqual([
      {
        action: 'conflict',
        kind: 'exchange',
        name: broker.exchange,
        reason: 'type is "direct", expected "topic"',
      },
      {
        action: 'conflict',
        kind: 'queue',
        name: broker.assessments,
        reason:
          `x-dead-letter-exchange is "elsewhere", expected "${broker.exchange}_dlx"; ` +
          'x-dead-letter-routing-key is not set, expected "assessments.dlq"; x-message-ttl is 1000, expected not set',
      },
    ]);
    expect(stderr).toContain('nothing was changed');
    expect(await transport.counts(broker.notifications)).toBeUndefined();
    await transport.close();
  });

  it('can run many times at once', async () => {
    const runs = await Promise.all(
      Array.from({ length: 4 }, () => runCli(['setup', '--json'], broker.options())),
    );
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0]);
    expect((await runCli(['setup', '--check'], broker.options())).exitCode).toBe(0);
  });
});

it('setup --check leaves no file behind where there was no embedded broker', async () => {
  const cwd = temporaryFolder();
  expect((await runCli(['setup', '--check'], { cwd })).exitCode).toBe(4);
  expect(existsSync(join(cwd, '.atma-events'))).toBe(false);
});

describe.skipIf(!rabbitInstalled)('after setup on RabbitMQ', () => {
  it('the services’ own declarations succeed, and a rejected message ends in its DLQ', async () => {
    const { url } = await sharedRabbit();
    // The names are those of the services: nothing else in these tests uses them.
    expect((await runCli(['setup', '--url', url])).exitCode).toBe(0);
    const connection = await amqp.connect(url);
    const channel = await connection.createChannel();
    await channel.assertExchange('atma_events_exchange', 'topic', { durable: true });
    for (const [name, key] of [
      ['analysis_events_notifications', 'notifications.dlq'],
      ['analysis_events_assessments', 'assessments.dlq'],
    ] as const) {
      await channel.assertQueue(name, {
        durable: true,
        arguments: { 'x-dead-letter-exchange': 'atma_events_exchange_dlx', 'x-dead-letter-routing-key': key },
      });
      for (const routingKey of ['analysis.completed', 'analysis.failed', 'analysis.started']) {
        await channel.bindQueue(name, 'atma_events_exchange', routingKey);
      }
    }
    channel.publish('atma_events_exchange', 'analysis.completed', Buffer.from('{}'), { persistent: true });
    for (const name of ['analysis_events_notifications', 'analysis_events_assessments']) {
      const message = await eventually('the event is in its queue', () => channel.get(name));
      channel.nack(message, false, false);
      const dead = await eventually('the rejected event is in its DLQ', () =>
        channel.get(`${name}_dlq`, { noAck: true }),
      );
      expect(dead.content.toString()).toBe('{}');
    }
    await connection.close();
    const transport = await (await import('../../src/transports/index.js')).createTransport(url);
    const names = ['analysis_events_notifications', 'analysis_events_assessments'];
    await transport.remove({
      queues: names.flatMap((name) => [name, `${name}_dlq`]),
      exchanges: ['atma_events_exchange', 'atma_events_exchange_dlx'],
    });
    await transport.close();
  });
});

describe.skipIf(!rabbitInstalled)('setup without the management API', () => {
  const env = {
    EVENTS_EXCHANGE_NAME: 'blind_events',
    EVENTS_QUEUE_NAME_NOTIFICATIONS: 'blind_n',
    EVENTS_QUEUE_NAME_ASSESSMENTS: 'blind_a',
    RABBITMQ_MANAGEMENT_URL: 'http://127.0.0.1:1',
  };

  it('creates everything, then says which bindings it could not verify, and still finds what differs', async () => {
    const { url } = await sharedRabbit();
    const { createTransport } = await import('../../src/transports/index.js');
    const transport = await createTransport(url);
    const queues = ['blind_n', 'blind_a', 'blind_n_dlq', 'blind_a_dlq'];
    onTestFinished(async () => {
      await transport.remove({ queues, exchanges: ['blind_events', 'blind_events_dlx'] });
      await transport.close();
    });
    const run = (...args: string[]) => runCli(['setup', '--url', url, '--json', ...args], { env });
    const actions = (stdout: string) =>
      JSON.parse(stdout).changes.map((change: { action: string }) => change.action);

    expect(actions((await run()).stdout)).toEqual(Array(14).fill('create'));
    const check = await run('--check');
    expect(check.exitCode).toBe(0);
    expect(check.stderr).toContain('warning: 8 things could not be verified');
    await transport.remove({ queues: ['blind_a'] });
    const missing = await run('--check');
    expect(missing.exitCode).toBe(4);
    expect(actions(missing.stdout).filter((action: string) => action === 'create')).toHaveLength(4);
    await transport.apply({ exchanges: [], queues: [queue('blind_a', { 'x-max-length': 7 })], bindings: [] });
    const conflict = await run();
    expect(conflict.exitCode).toBe(4);
    expect(conflict.stdout).toContain('x-max-length is 7, expected not set');
    expect(conflict.stdout).toContain('x-dead-letter-exchange is not set, expected \\"blind_events_dlx\\"');
  });
});

describe('setup that cannot reach its broker', () => {
  it('exits 5 within the timeout and shows no password', async () => {
    const startedAt = performance.now();
    const { exitCode, stderr, stdout } = await runCli([
      'setup',
      '--timeout',
      '500ms',
      '--url',
      'amqp://me:s3cr%40t@127.0.0.1:1/v',
    ]);
    expect(exitCode).toBe(5);
    expect(performance.now() - startedAt).toBeLessThan(5000);
    expect(stderr + stdout).not.toContain('s3cr');
    expect(stderr).toContain('127.0.0.1:1');
  });

  it.skipIf(!rabbitInstalled)('exits 5 at once when it is refused, and says who was', async () => {
    const { url } = await sharedRabbit();
    const wrong = url.replace('guest:guest', 'guest:wrong');
    const { exitCode, stderr } = await runCli(['setup', '--timeout', '30s', '--url', wrong]);
    expect(exitCode).toBe(5);
    expect(stderr).toContain('refuses user "guest"');
    expect(stderr).not.toContain('wrong');
  });
});
