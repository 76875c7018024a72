import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fromSavedRecord } from '../../src/core/events/record.js';
import { failed } from '../dead-letters/letters.js';
import { withTransport } from './brokers.js';
import { runCli, temporaryFolder } from './cli.js';
import { buried, content, describeDlq, rejected } from './dead-letters.js';
import { linesOf } from './tailing.js';

describeDlq('dlq export', (broker, dlq) => {
  const run = (file: string, ...args: string[]) =>
    runCli(['dlq', 'export', dlq(), file, ...args], broker.options());

  it('writes every dead letter byte for byte, for the owner only, and leaves the queue as it is', async () => {
    const file = join(temporaryFolder(), 'dead.jsonl');
    const headers = {
      int64: { '!': 'int64', value: '9007199254740993' },
      when: { '!': 'timestamp', value: 1_704_067_200 },
      list: [1, 'two', null, { deep: [] }],
    };
    await rejected(
      broker,
      {
        body: '{ "odd" :1.0,\t"big":12345678901234567890}',
        properties: { messageId: 'm-1', priority: 3, headers },
      },
      { body: Buffer.from([0, 255, 128]) },
      { body: '' },
    );
    const before = await content(broker, dlq());
    const { exitCode, stdout } = await run(file, '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ queue: dlq(), file, exported: 3 });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const saved = linesOf(readFileSync(file, 'utf8')).map(fromSavedRecord);
    expect(saved).toEqual(before);
    expect(await content(broker, dlq())).toEqual(before);
  });

  it('is what publish --from sends again', async () => {
    const file = join(temporaryFolder(), 'dead.jsonl');
    await rejected(broker, { body: '{"n":1}' }, { body: '{"n":2}' });
    const before = await content(broker, dlq());
    await run(file);
    await withTransport(broker, (transport) => transport.remove({ queues: [dlq()] }));
    await runCli(['setup', '--yes'], broker.options());
    expect(await content(broker, dlq())).toEqual([]);
    expect((await runCli(['publish', '--from', file], broker.options())).exitCode).toBe(0);
    const again = await content(broker, dlq());
    const compare = (messages: typeof before) =>
      messages.map(({ body, exchange, routingKey, properties }) => ({
        ...{ body, exchange, routingKey },
        headers: Object.keys(properties.headers ?? {}),
      }));
    expect(compare(again)).toEqual(compare(before));
  });

  it('can be a group, or what a filter is true for', async () => {
    const folder = temporaryFolder();
    await rejected(broker, { body: '{"n":1}' });
    await buried(broker, { body: '{"n":2}', headers: failed() }, { body: '{"n":3}', headers: failed() });
    const { stdout } = await runCli(['dlq', 'groups', dlq(), '--json'], broker.options());
    const [largest] = JSON.parse(stdout);
    const bodies = (name: string) =>
      linesOf(readFileSync(join(folder, name), 'utf8')).map(({ event }) => event.n);
    await run(join(folder, 'a'), '--group', largest.group);
    expect(bodies('a')).toEqual([2, 3]);
    await run(join(folder, 'b'), '--group', largest.group, '--filter', 'event.n > 2');
    expect(bodies('b')).toEqual([3]);
    const unknown = await run(join(folder, 'c'), '--group', 'ffffffff');
    expect([unknown.exitCode, unknown.stderr]).toEqual([2, expect.stringContaining(`dlq groups ${dlq()}`)]);
    expect(existsSync(join(folder, 'c'))).toBe(false);
  });

  it('refuses a file that is there, unless it is to be added to', async () => {
    const file = join(temporaryFolder(), 'dead.jsonl');
    await rejected(broker, { body: '{"n":1}' });
    expect((await run(file)).exitCode).toBe(0);
    const refused = await run(file);
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('--append')]);
    expect(linesOf(readFileSync(file, 'utf8'))).toHaveLength(1);
    expect((await run(file, '--append')).stdout).toContain('Exported 1 dead letter of');
    expect(linesOf(readFileSync(file, 'utf8'))).toHaveLength(2);
  });

  it('of an empty queue is an empty file', async () => {
    const file = join(temporaryFolder(), 'dead.jsonl');
    expect(await run(file)).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('0 dead letters') });
    expect(readFileSync(file, 'utf8')).toBe('');
  });

  it('that cannot be written fails, and says how much of it is there', async () => {
    await rejected(broker, { body: '{"n":1}' });
    const nowhere = await run('/no/such/folder/x');
    expect([nowhere.exitCode, nowhere.stderr]).toEqual([1, expect.stringContaining('Cannot write')]);
    const full = await run('/dev/full');
    expect([full.exitCode, full.stderr]).toEqual([1, expect.stringContaining('Cannot write')]);
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'file'), '');
    expect((await run(folder)).exitCode).toBe(2);
  });

  it('answers a queue that does not exist with the closest one, and leaves no file', async () => {
    const file = join(temporaryFolder(), 'dead.jsonl');
    const { exitCode, stderr } = await runCli(['dlq', 'export', `${dlq()}x`, file], broker.options());
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`Did you mean "${dlq()}"?`)]);
    expect(existsSync(file)).toBe(false);
  });
});
