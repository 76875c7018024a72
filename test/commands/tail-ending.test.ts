import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { eventually } from '../await.js';
import { rabbitInstalled, sharedRabbit } from '../brokers/shared.js';
import { type RunningCli, runCli, startCli } from './cli.js';
import { describeTail, sendEvent, tailing } from './tailing.js';

describeTail('the end of tail', (broker) => {
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

  it('ends after --for', async () => {
    expect(await runCli(['tail', '--for', '100ms'], broker.options())).toMatchObject({ exitCode: 0 });
  });

  // A file that every process opens by itself cannot be cut off: this is for the remote broker only.
  if (broker.name === 'amqp')
    it('says so when it was cut off and may have missed events', async () => {
      const tail = await tailing(broker, '--count', '1');
      await cutConnection(tail);
      await tail.says('connection restored');
      await eventually('an event after the gap is shown', async () => {
        await sendEvent(broker);
        return tail.stdout() !== '';
      });
      await tail.ended;
      expect(tail.stderr()).toContain('was cut off from the broker: events may be missing here');
    });
});

describe.skipIf(!rabbitInstalled)('the end of tail', () => {
  it('exits 5 without a broker', async () => {
    const { exitCode } = await runCli(['tail', '--timeout', '200ms', '--url', 'amqp://u:p@127.0.0.1:1']);
    expect(exitCode).toBe(5);
  });
});

/** Closes the connection that the tail gets its events by, and nobody else's, through the management API. */
async function cutConnection({ child }: RunningCli): Promise<void> {
  const { managementUrl } = await sharedRabbit();
  const headers = { authorization: `Basic ${Buffer.from('guest:guest').toString('base64')}` };
  const name = await eventually('the connection is listed', async () => {
    const response = await fetch(`${managementUrl}/api/connections`, { headers });
    const connections = (await response.json()) as {
      name: string;
      client_properties: { connection_name?: string };
    }[];
    const own = `atma-events ${child.pid} consume`;
    return connections.find(({ client_properties }) => client_properties.connection_name === own)?.name;
  });
  const url = `${managementUrl}/api/connections/${encodeURIComponent(name)}`;
  expect((await fetch(url, { method: 'DELETE', headers })).status).toBe(204);
}
