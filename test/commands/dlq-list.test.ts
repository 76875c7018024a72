import { describe, expect, it } from 'vitest';
import { renderQueues } from '../../src/commands/dlq-list.js';
import { queue } from '../../src/core/topology/model.js';
import { failed } from '../dead-letters/letters.js';
import { withTransport } from './brokers.js';
import { runCli } from './cli.js';
import { buried, content, describeAlone, rejected } from './dead-letters.js';

describeAlone('dlq list', (broker, dlq) => {
  const list = (...args: string[]) => runCli(['dlq', 'list', ...args], broker.options());

  it('tells depth, oldest death and reasons of every dead-letter queue, and leaves them as they are', async () => {
    await buried(
      broker,
      { body: '{}', headers: failed({ lastFailedAt: '2026-01-02T00:00:00.000Z' }) },
      { body: '{}', headers: failed({ lastFailedAt: '2026-01-01T00:00:00.000Z' }) },
    );
    await rejected(broker, { body: '{"n":1}' });
    const before = await content(broker, dlq());
    const { exitCode, stdout } = await list('--json');
    expect(exitCode).toBe(0);
    const found = JSON.parse(stdout);
    expect(found).toEqual([
      { queue: `${broker.assessments}_dlq`, messages: 0, oldest: null, reasons: {} },
      {
        queue: dlq(),
        messages: 3,
        oldest: '2026-01-01T00:00:00.000Z',
        reasons: { exhausted: 2, rejected: 1 },
      },
    ]);
    expect(Object.keys(found[0])).toEqual(['queue', 'messages', 'oldest', 'reasons']);
    expect(await content(broker, dlq())).toEqual(before);
  });

  it('finds a queue that nobody has told it about, and no work queue', async () => {
    const foreign = `graveyard_of_${broker.exchange}`;
    const work = queue(`work_of_${broker.exchange}`, {
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': foreign,
    });
    const topology = { exchanges: [], queues: [queue(foreign), work], bindings: [] };
    await withTransport(broker, (transport) => transport.apply(topology));
    try {
      const { stdout } = await list('--json', '--limit', '0');
      const names = JSON.parse(stdout).map(({ queue: name }: { queue: string }) => name);
      expect(names).toContain(foreign);
      expect(names).not.toContain(work.name);
      expect(names).not.toContain(broker.notifications);
    } finally {
      await withTransport(broker, (transport) => transport.remove({ queues: [foreign, work.name] }));
    }
  });

  it('says how many it has looked at when that is not all', async () => {
    await rejected(broker, ...Array.from({ length: 12 }, (_, n) => ({ body: `{"n":${n}}` })));
    const { stdout } = await list(dlq(), '--limit', '5', '--json');
    expect(JSON.parse(stdout)).toEqual([
      { queue: dlq(), messages: 12, oldest: expect.any(String), reasons: { rejected: 5 }, looked: 5 },
    ]);
    const none = await list(dlq(), '--limit', '0', '--json');
    expect(JSON.parse(none.stdout)).toEqual([
      { queue: dlq(), messages: 12, oldest: null, reasons: {}, looked: 0 },
    ]);
    expect((await list(dlq(), '--limit', '5')).stdout).toContain('rejected 5 (of the first 5)');
  });

  it('shows people a table, what waits for a retry, and what to do next', async () => {
    await rejected(broker, { body: '{}' });
    const delay = `${broker.notifications}.retry.600000`;
    const args = {
      'x-message-ttl': 600_000,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': broker.notifications,
    };
    await withTransport(broker, async (transport) => {
      await transport.apply({ exchanges: [], queues: [queue(delay, args)], bindings: [] });
      await transport.publish({ exchange: '', routingKey: delay, body: Buffer.from('{}'), properties: {} });
    });
    try {
      const { stdout, stderr, exitCode } = await runCli(['dlq'], broker.options());
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(/^QUEUE +MESSAGES +OLDEST +REASONS\n/);
      expect(stdout).toMatch(new RegExp(`^${dlq()} +1 +\\d+ s ago +rejected 1$`, 'm'));
      expect(stdout).toContain('WAITING FOR A RETRY');
      expect(stdout).toMatch(new RegExp(`^${delay} +1 +10 min +${broker.notifications}$`, 'm'));
      expect(stderr).toContain(`dlq groups ${dlq()}`);
    } finally {
      await withTransport(broker, (transport) => transport.remove({ queues: [delay] }));
    }
  });

  it('goes on past a queue that it cannot look into, says so and exits 3', async () => {
    await rejected(broker, { body: '{}' });
    const locked = `locked_${broker.exchange}_dlq`;
    await withTransport(broker, async (owner) => {
      const spec = queue(locked, {}, { exclusive: true, durable: false });
      await owner.apply({ exchanges: [], queues: [spec], bindings: [] });
      await owner.publish({ exchange: '', routingKey: locked, body: Buffer.from('{}'), properties: {} });
      const { exitCode, stdout, stderr } = await list(locked, dlq(), '--json');
      expect(exitCode).toBe(3);
      expect(JSON.parse(stdout)).toMatchObject([{ queue: dlq(), messages: 1 }]);
      expect(stderr).toContain(`${locked} is left out`);
      expect((await list(locked)).exitCode).toBe(1);
    });
  });

  it('answers a queue that does not exist with the closest dead-letter queue', async () => {
    const { exitCode, stdout, stderr } = await list(`${broker.notifications}_dql`, '--json');
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      error: {
        code: 'queue-missing',
        message: expect.stringContaining(`queue "${broker.notifications}_dql" does not exist on `),
        hint: `Did you mean "${dlq()}"?`,
      },
    });
    expect(stderr).toContain('Did you mean');
  });

  it('takes a word that is no queue for a misspelt command, where it is close to one', async () => {
    const misspelt = await runCli(['dlq', 'shwo', dlq()], broker.options());
    expect(misspelt.exitCode).toBe(1);
    expect(misspelt.stderr).toContain('there is neither a queue nor a command "shwo"');
    expect(misspelt.stderr).toContain('Did you mean "dlq show"?');
    expect((await list('shwo')).stderr).not.toContain('dlq show');
  });

  if (broker.name === 'amqp') {
    it('without the management API knows those of the topology, and says how to find the others', async () => {
      const env = { RABBITMQ_MANAGEMENT_URL: 'http://127.0.0.1:1' };
      const { exitCode, stdout, stderr } = await runCli(['dlq', 'list', '--json'], broker.options({ env }));
      expect(exitCode).toBe(0);
      const names = JSON.parse(stdout).map(({ queue: name }: { queue: string }) => name);
      expect(names).toEqual([`${broker.assessments}_dlq`, dlq()].toSorted());
      expect(stderr).toContain('there may be other dead-letter queues');
      expect(stderr).toContain('RABBITMQ_MANAGEMENT_URL');
      expect(stderr).toContain('rabbitmq-plugins enable rabbitmq_management');
      expect(stderr).toContain('the tag "management"');
    });

    it('spares a quorum queue that gives messages up after a number of deliveries', async () => {
      const limited = `limited_${broker.exchange}_dlq`;
      const spec = queue(limited, { 'x-queue-type': 'quorum', 'x-delivery-limit': 3 });
      await withTransport(broker, async (transport) => {
        await transport.apply({ exchanges: [], queues: [spec], bindings: [] });
        await transport.publish({
          exchange: '',
          routingKey: limited,
          body: Buffer.from('{}'),
          properties: {},
        });
      });
      try {
        for (let run = 0; run < 10; run++) {
          const { stdout, stderr } = await list('--json', ...(run % 2 === 0 ? [] : [limited]));
          expect(JSON.parse(stdout)).toContainEqual({
            queue: limited,
            messages: 1,
            oldest: null,
            reasons: {},
            looked: 0,
          });
          expect(stderr).toContain(`${limited} was not looked at`);
        }
      } finally {
        await withTransport(broker, (transport) => transport.remove({ queues: [limited] }));
      }
    });
  }
});

describe('dlq list on a fresh embedded broker', () => {
  it('finds nothing and creates nothing', async () => {
    const { exitCode, stdout } = await runCli([
      'dlq',
      '--url',
      'embedded:/tmp/atma-no-such-folder/broker.db',
    ]);
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringMatching(/^No dead-letter queues on .+ Another broker: /),
    ]);
  });
});

describe('the table of dead-letter queues', () => {
  it('lets no name drive the terminal', () => {
    const evil = { queue: 'evil\u001b[2J_dlq', messages: 1, oldest: null, reasons: { unknown: 1 } };
    expect(renderQueues([evil], 'somewhere', 0)).toContain('evil\\x1b[2J_dlq');
  });
});
