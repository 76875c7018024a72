/** Quorum queues give messages up that were delivered too often, and each look is a delivery: nothing may be lost by looking. */

import { expect, it } from 'vitest';
import { plainHeader } from '../../src/core/message.js';
import { EMPTY_TOPOLOGY, queue } from '../../src/core/topology/model.js';
import { failed } from '../dead-letters/letters.js';
import { withTransport } from './brokers.js';
import { runCli, temporaryFolder } from './cli.js';
import { describeAlone } from './dead-letters.js';
import { KEYS, startOnTerminal, terminalsToBeHad } from './pseudo-terminal.js';

describeAlone('looking at messages that have few deliveries left', (broker) => {
  // The embedded broker counts no deliveries, and refuses quorum queues.
  if (broker.name === 'embedded') {
    it('has no such queues on the embedded broker', async () => {
      const spec = queue('q_dlq', { 'x-queue-type': 'quorum' });
      await withTransport(broker, async (transport) => {
        await expect(transport.apply({ ...EMPTY_TOPOLOGY, queues: [spec] })).rejects.toMatchObject({
          code: 'unsupported',
        });
      });
    });
    return;
  }

  const WITHOUT_MANAGEMENT = { RABBITMQ_MANAGEMENT_URL: 'http://127.0.0.1:1' };
  const dlq = 'worn_dlq';
  const run = (args: string[], env: Record<string, string> = {}) =>
    runCli(args, broker.options({ cwd: temporaryFolder(), env }));

  /** A quorum DLQ with three messages that were looked at so often. */
  async function worn(looks: number, limit?: number): Promise<void> {
    const args = { 'x-queue-type': 'quorum', ...(limit !== undefined && { 'x-delivery-limit': limit }) };
    await withTransport(broker, async (transport) => {
      await transport.apply({ ...EMPTY_TOPOLOGY, queues: [queue(dlq, args)] });
      for (const n of [1, 2, 3]) {
        const properties = { messageId: `m-${n}`, headers: failed({ queue: broker.notifications }) };
        await transport.publish({
          exchange: '',
          routingKey: dlq,
          body: Buffer.from(`{"n":${n}}`),
          properties,
        });
      }
      for (let look = 0; look < looks; look++) for await (const _ of transport.browse(dlq));
    });
  }

  /** Deliveries of each message so far; looking counts one more for the next time. */
  const deliveries = () =>
    withTransport(broker, async (transport) => {
      const counts: unknown[] = [];
      for await (const { properties } of transport.browse(dlq)) {
        counts.push(plainHeader(properties.headers?.['x-delivery-count'] ?? 0));
      }
      return counts;
    });

  it.each([['show'], ['groups'], ['export']])(
    'dlq %s refuses it without --yes, and says what else there is',
    async (verb) => {
      await worn(3, 5);
      const args = ['dlq', verb, dlq, ...(verb === 'export' ? ['out.jsonl'] : [])];
      const refused = await run(args);
      expect(refused.exitCode).toBe(2);
      expect(refused.stderr).toContain(`"${dlq}" is spared`);
      expect(refused.stderr).toContain('--yes');
      const looked = await run([...args, '--yes']);
      expect(looked.exitCode).toBe(0);
      expect(await deliveries()).toEqual([5, 5, 5]);
    },
  );

  it('warns relative to the limit before it comes to that', async () => {
    await worn(0, 3);
    const { exitCode, stderr } = await run(['dlq', 'show', dlq]);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('have been handed out up to 1 times');
    expect(stderr).toContain('gives a message up after 3');
    expect(await deliveries()).toEqual([1, 1, 1]);
  });

  it('a limit that no look could keep is known without one', async () => {
    await worn(0, 1);
    for (let time = 0; time < 3; time++) expect((await run(['dlq', 'show', dlq])).exitCode).toBe(2);
    expect(await deliveries()).toEqual([0, 0, 0]);
  });

  it('a queue without a limit is looked at as often as one likes', async () => {
    await worn(25);
    const { exitCode, stderr } = await run(['dlq', 'show', dlq]);
    expect(exitCode).toBe(0);
    expect(stderr).not.toContain('handed out');
  });

  it('where the broker does not tell, the limit of RabbitMQ 4 is assumed, and dlq list does not look at all', async () => {
    await worn(18);
    const named = await run(['dlq', 'list', dlq, '--json'], WITHOUT_MANAGEMENT);
    expect(JSON.parse(named.stdout)).toMatchObject([{ queue: dlq, messages: 3, looked: 0 }]);
    expect(named.stderr).toContain(`${dlq} was not looked at: it may be a quorum queue`);
    const shown = await run(['dlq', 'show', dlq], WITHOUT_MANAGEMENT);
    expect(shown.exitCode).toBe(2);
    expect(shown.stderr).toContain('20 by default since RabbitMQ 4.0');
    expect(shown.stderr).toContain('rabbitmq-plugins enable rabbitmq_management');
    expect((await run(['dlq', 'list', dlq, '--limit', '5', '--json'], WITHOUT_MANAGEMENT)).exitCode).toBe(0);
  });

  it('dlq list --limit stops at messages with few deliveries left, and tells the depth all the same', async () => {
    await worn(2, 4);
    const { exitCode, stdout, stderr } = await run(['dlq', 'list', dlq, '--limit', '3', '--json']);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([{ queue: dlq, messages: 3, looked: 0 }]);
    expect(stderr).toContain('is spared');
  });

  it.each([
    ['replay-dlq', '--limit', '1'],
    ['replay-dlq', '--ids', 'm-2'],
    ['replay-dlq', '--canary', '1'],
    ['dlq purge', '--filter', 'event.n == 2'],
  ])('%s %s %s refuses what would hand back messages that could not bear it', async (command, ...what) => {
    await worn(2, 4);
    const args = [...command.split(' '), dlq, ...what, '--yes'];
    const refused = await run(args);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain('would be handed back');
    expect(await deliveries()).toEqual([3, 3, 3]);
    const all = await run(['replay-dlq', dlq, '--yes', '--json']);
    expect(JSON.parse(all.stdout)).toMatchObject({ replayed: 3, left: 0 });
  });

  it('a replay of some warns that the others are handed back', async () => {
    await worn(0, 10);
    const { exitCode, stderr } = await run(['replay-dlq', dlq, '--ids', 'm-2', '--yes', '--json']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('is handed back in the end, which counts as a delivery');
    const whole = await run(['replay-dlq', dlq, '--yes', '--json']);
    expect(whole).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it.runIf(terminalsToBeHad)('picking a queue to replay does not wear out the others', async () => {
    await worn(0, 5);
    await withTransport(broker, (transport) =>
      transport.publish({
        exchange: '',
        routingKey: `${broker.notifications}_dlq`,
        body: Buffer.from('{}'),
        properties: { messageId: 'a', headers: failed({ queue: broker.notifications }) },
      }),
    );
    const terminal = startOnTerminal(['replay-dlq'], broker.options({ cwd: temporaryFolder() }));
    await terminal.shows('Which dead-letter queues?');
    await terminal.shows(`${broker.notifications}_dlq: 1 (exhausted)`);
    await terminal.shows(`${dlq}: 3`);
    expect(terminal.shown()).not.toContain(`${dlq}: 3 (`);
    terminal.types(KEYS.space, KEYS.enter);
    await terminal.shows('Where to?');
    terminal.types(KEYS.enter);
    await terminal.shows(`Replay 1 dead letter of ${broker.notifications}_dlq to ${broker.notifications}?`);
    terminal.types(KEYS.enter);
    expect(await terminal.ended).toBe(0);
    expect(await deliveries()).toEqual([0, 0, 0]);
  });

  it.runIf(terminalsToBeHad)('picking one that has a limit looks at it once', async () => {
    await worn(0, 9);
    const terminal = startOnTerminal(['replay-dlq'], broker.options({ cwd: temporaryFolder() }));
    await terminal.shows(`${dlq}: 3`);
    terminal.types(KEYS.space, KEYS.enter);
    await terminal.shows('Where to?');
    terminal.types(KEYS.enter);
    await terminal.shows(`Replay 3 dead letters of ${dlq} to ${broker.notifications}?`);
    terminal.types('n', KEYS.enter);
    expect(await terminal.ended).toBe(130);
    expect(await deliveries()).toEqual([1, 1, 1]);
  });
});
