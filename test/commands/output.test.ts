import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runCli, startCli, temporaryFolder } from './cli.js';

const BIN = fileURLToPath(new URL('../../bin/atma-events.js', import.meta.url));

describe('a command whose reader is gone', () => {
  it('still exits with what came of it', async () => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'bad.jsonl'), 'not json\n');
    await runCli(['setup'], { cwd });
    for (const [args, code] of [
      [['publish', '--from', 'bad.jsonl', '--json'], 2],
      [['setup', '--check', '--json', '--url', 'embedded:other.db'], 4],
    ] as const) {
      const running = startCli(args, { cwd });
      running.child.stdout?.destroy();
      expect((await running.ended).exitCode).toBe(code);
    }
  });

  it('whose output cannot be written says so and exits 1', async () => {
    const child = spawn(process.execPath, [BIN, 'events', '--json'], {
      stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
    });
    let stderr = '';
    child.stderr?.on('data', (chunk) => {
      stderr += chunk;
    });
    const [exitCode] = await once(child, 'close');
    expect(stderr).toMatch(/^error: Cannot write the output: .*\n$/);
    expect(exitCode).toBe(1);
  });
});

describe('--json', () => {
  it.each([
    [['setup', '--url', 'amqp://u:p@127.0.0.1:1', '--timeout', '100ms'], 5, 'unreachable'],
    [['events', 'show', 'no.such'], 2, 'event-unknown'],
    [['setup', '--preset', 'nope'], 2, 'usage'],
  ])('prints one document when %j fails', async (args, code, error) => {
    const { exitCode, stdout } = await runCli([...args, '--json']);
    expect(exitCode).toBe(code);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: error, message: expect.any(String) } });
  });

  it('of publish has its own shape, whatever goes wrong', async () => {
    for (const args of [
      ['no.such', '--sample'],
      ['analysis.started', '--data', '{'],
      ['--from', '/nowhere'],
    ]) {
      const { exitCode, stdout } = await runCli(['publish', ...args, '--json']);
      expect(exitCode).toBe(2);
      expect(Object.keys(JSON.parse(stdout)).slice(0, 5)).toEqual([
        'published',
        'confirmed',
        'returned',
        'failed',
        'errors',
      ]);
    }
  });
});

describe('names from outside', () => {
  it('reach the terminal as escapes, in errors, notes and results', async () => {
    const cwd = temporaryFolder();
    const evil = 'ev\u001b]0;owned\u0007il';
    writeFileSync(join(cwd, `${evil}.jsonl`), 'not json\n');
    writeFileSync(
      join(cwd, 'atma-events.config.json'),
      JSON.stringify({ events: [{ type: 'a.b', exchange: evil, description: evil, schema: {} }] }),
    );
    const runs = [
      await runCli(['publish', '--from', `${evil}.jsonl`, '--url', `embedded:${evil}.db`], { cwd }),
      await runCli(['events', 'show', 'a.b'], { cwd }),
      await runCli(['tail', '--for', '1ms', '--exchange', evil], { cwd }),
      await runCli(['setup', '--url', `embedded:${evil}.db`], { cwd }),
    ];
    for (const { stdout, stderr } of runs) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the point
      expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    }
    expect(runs[0]?.stderr).toContain('ev\\x1b]0;owned\\x07il.jsonl:1:');
  });
});

describe('resuming', () => {
  it('names the line it was told to start from when the broker cannot be reached', async () => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'six.jsonl'), '{}\n'.repeat(6));
    const args = ['publish', '--from', 'six.jsonl', '--start-line', '4', '--json'];
    const { stdout } = await runCli([...args, '--url', 'amqp://u:p@127.0.0.1:1', '--timeout', '100ms'], {
      cwd,
    });
    expect(JSON.parse(stdout)).toMatchObject({ published: 0, startLine: 4 });
  });

  it('past the end of the file says that nothing was sent', async () => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'one.jsonl'), '{}\n');
    const { exitCode, stdout } = await runCli(['publish', '--from', 'one.jsonl', '--start-line', '9'], {
      cwd,
    });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('events: 0 confirmed');
  });
});

it('Ctrl-C while data are awaited on stdin is an interruption', async () => {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, 'atma-events.config.mjs'), "process.stderr.write('loaded');\nexport default {};\n");
  const running = startCli(['publish', 'analysis.started', '--data', '-'], { cwd });
  await running.says('loaded');
  running.child.kill('SIGINT');
  const { exitCode, stderr } = await running.ended;
  expect(stderr).not.toContain('defect');
  expect(exitCode).toBe(130);
});

it('a password that is not percent-encoded is refused, and no part of it is shown', async () => {
  const { exitCode, stderr } = await runCli([
    'setup',
    '--url',
    'amqp://guest:p@ss/w@127.0.0.1:1',
    '--timeout',
    '1s',
  ]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain('percent-encoded');
  expect(stderr).not.toMatch(/ss|w@/);
});

it('a saved dead letter is sent where it was, with a warning', async () => {
  const cwd = temporaryFolder();
  await runCli(['setup'], { cwd });
  const dead = {
    exchange: 'atma_events_exchange_dlx',
    routingKey: 'notifications.dlq',
    valid: false,
    event: null,
    properties: { headers: { 'x-death': [] } },
    body: 'x',
  };
  writeFileSync(join(cwd, 'dead.jsonl'), `${JSON.stringify(dead)}\n${JSON.stringify(dead)}\n`);
  const { exitCode, stderr } = await runCli(['publish', '--from', 'dead.jsonl'], { cwd });
  expect(exitCode).toBe(0);
  expect(stderr.match(/was saved from a dead-letter queue/g)).toHaveLength(1);
});

it('too many errors name the first line that failed, so that following the hint skips nothing', async () => {
  const cwd = temporaryFolder();
  const bad = '{"eventType":"no.such"}\n';
  writeFileSync(join(cwd, 'bad.jsonl'), bad.repeat(50));
  const args = ['publish', '--from', 'bad.jsonl', '--max-errors', '3', '--json'];
  expect(JSON.parse((await runCli(args, { cwd })).stdout)).toMatchObject({ failed: 3, startLine: 1 });
});
