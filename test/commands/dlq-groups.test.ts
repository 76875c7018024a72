import { describe, expect, it } from 'vitest';
import { renderGroups } from '../../src/commands/dlq-groups.js';
import { failed, fixture } from '../dead-letters/letters.js';
import { withTransport } from './brokers.js';
import { runCli } from './cli.js';
import { buried, content, describeDlq, rejected } from './dead-letters.js';

describeDlq('dlq groups', (broker, dlq) => {
  const groups = (...args: string[]) => runCli(['dlq', 'groups', dlq(), ...args], broker.options());

  it('counts dead letters by event type, reason and fingerprint, and leaves the queue as it is', async () => {
    await withTransport(broker, async (transport) => {
      for (const message of fixture('analysis_events_notifications_dlq')) {
        await transport.publish({ ...message, exchange: `${broker.exchange}_dlx` });
      }
    });
    await rejected(broker, { body: '{"n":1}', properties: { messageId: 'm-1' } }, { body: '{"n":2}' });
    const before = await content(broker, dlq());
    const { exitCode, stdout } = await groups('--json');
    expect(exitCode).toBe(0);
    const found = JSON.parse(stdout);
    expect(found.map(({ messages, type, reason }: never) => [messages, type, reason])).toEqual([
      [4, 'analysis.completed', 'exhausted'],
      [2, 'analysis.completed', 'rejected'],
      [2, 'analysis.failed', 'permanent'],
      [1, 'analysis.failed', 'invalid'],
    ]);
    expect(found[0]).toEqual({
      group: expect.stringMatching(/^[0-9a-f]{8}$/),
      messages: 4,
      type: 'analysis.completed',
      reason: 'exhausted',
      fingerprint: '01566b753446',
      exception: 'TypeError',
      message: "Cannot read properties of undefined (reading 'socketId')",
      queues: ['analysis_events_notifications'],
      first: '2026-01-31T22:48:25.000Z',
      last: '2026-01-31T23:04:00.000Z',
      example: '8ea6dc1e-e459-4b7d-92ea-1c640ebea8c0-analysis.completed-1769899703500',
    });
    expect(found[1]).toMatchObject({ queues: [broker.notifications], exception: null, example: 'm-1' });
    expect(await content(broker, dlq())).toEqual(before);
  });

  it('shows people a table, and how to go on', async () => {
    await buried(broker, { body: '{}', headers: failed({ message: 'budi@example.com\u001b[2J is gone' }) });
    await rejected(broker, { body: '{}' });
    const { stdout, stderr } = await groups();
    expect(stdout).toMatch(/^GROUP +MESSAGES +EVENT +REASON +CAUSE +FIRST +LAST +EXAMPLE\n/);
    expect(stdout).toContain('TypeError: ***@example.com\\x1b[2J is gone');
    expect(stdout).toContain(`in ${broker.notifications}`);
    expect(stderr).toContain('2 groups in 2 dead letters');
    expect(stderr).toContain(`dlq show ${dlq()} --group`);
  });

  it('looks at no more than --limit, and says so', async () => {
    await rejected(broker, ...Array.from({ length: 15 }, (_, n) => ({ body: `{"n":${n}}` })));
    const { stdout, stderr } = await groups('--limit', '4');
    expect(stdout).toMatch(/ 4 +analysis\.completed/);
    expect(stderr).toContain('1 group in the first 4 of 15 dead letters');
  });

  it('prints an empty list for an empty queue', async () => {
    expect(await groups('--json')).toMatchObject({ exitCode: 0, stdout: '[]\n' });
    expect(await groups()).toMatchObject({ exitCode: 0, stdout: '', stderr: `${dlq()} is empty.\n` });
  });

  it('groups 10,000 dead letters with little memory, and leaves them in their order', async () => {
    const wanted = 10_000;
    await withTransport(broker, async (transport) => {
      const publishing = Array.from({ length: wanted }, (_, n) =>
        transport.publish({
          exchange: `${broker.exchange}_dlx`,
          routingKey: 'notifications.dlq',
          body: Buffer.from(`{"eventType":"analysis.completed","n":${n},"pad":"${'x'.repeat(1_000)}"}`),
          properties: { headers: failed({ fingerprint: `fingerprint${n % 7}` }) },
        }),
      );
      await Promise.all(publishing);
    });
    const env = { NODE_OPTIONS: '--max-old-space-size=100' };
    const { exitCode, stdout } = await runCli(['dlq', 'groups', dlq(), '--json'], broker.options({ env }));
    expect(exitCode).toBe(0);
    const counts = JSON.parse(stdout).map(({ messages }: { messages: number }) => messages);
    expect(counts).toHaveLength(7);
    expect(counts.reduce((sum: number, count: number) => sum + count, 0)).toBe(wanted);
    const order = (await content(broker, dlq())).map(({ body }) => JSON.parse(body.toString()).n);
    expect(order).toEqual(Array.from({ length: wanted }, (_, n) => n));
  });
});

describe('the table of groups', () => {
  it('has a row for a group that nothing is known of', () => {
    const group = { id: '0a1b2c3d', type: undefined, reason: 'unknown' as const, fingerprint: 'f', count: 2 };
    const rest = { first: undefined, last: undefined, exception: undefined, message: undefined };
    const table = renderGroups([{ ...group, ...rest, example: 'm-1', failedQueues: [] }], 0);
    expect(table).toMatch(/^0a1b2c3d +2 +\(no type\) +unknown +m-1$/m);
  });
});
