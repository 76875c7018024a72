import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/commands/index.js';
import { runCli, temporaryFolder } from './cli.js';

describe('the command line', () => {
  it('prints the version and nothing else', async () => {
    expect(await runCli(['--version'])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      stderr: '',
    });
    expect(await runCli(['-V', '--quiet'])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });

  it('without arguments shows its help', async () => {
    const { exitCode, stdout } = await runCli([]);
    expect(exitCode).toBe(0);
    for (const { name } of COMMANDS) expect(stdout).toContain(`  ${name}`);
  });

  it.each([
    ...COMMANDS.map(({ name }) => [name]),
    ...['list', 'show', 'groups', 'export'].map((name) => ['dlq', name]),
    ['dlq', 'purge'],
    ['dlq', 'edit'],
    ['dlq', 'settle'],
    ...['status', 'set', 'on', 'off', 'rollout', 'history', 'env', 'watch'].map((name) => ['flag', name]),
    ['events', 'list'],
    ['events', 'show'],
    ['events', 'sample'],
  ])('explains %s %s with examples and the global options', async (...words) => {
    const { exitCode, stdout } = await runCli([...words.filter(Boolean), '--help']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Examples:');
    expect(stdout).toMatch(/\$ atma-events /);
    for (const option of [
      '--url',
      '--preset',
      '--config',
      '--profile',
      '--json',
      '--no-color',
      '--no-input',
      '--quiet',
      '--debug',
      '--timeout',
    ]) {
      expect(stdout).toContain(option);
    }
    expect(stdout).not.toContain('(default false)');
  });

  it.each([
    [['evnts'], 'Did you mean events?'],
    [['setup', '--dryrun'], '--dry-run'],
    [['setup', 'now'], 'too many arguments'],
    [['publish', 'analysis.started', '--sample', '--count', '0'], 'whole number'],
    [['publish', 'analysis.started', '--sample', '--rate', 'fast'], 'not a number'],
    [['setup', '--timeout', 'soon'], 'not a duration'],
    [['setup', '--url', 'kafka://x'], 'No transport for "kafka:"'],
    [['setup', '--url', 'localhost'], 'no scheme'],
    [['setup', '--preset', 'nope'], 'no preset "nope"'],
    [['setup', '--profile', 'nope'], 'no profile "nope"'],
    [['setup', '--config', '/no/where.json'], 'no config file'],
  ])('answers %j with exit 2 and what was meant', async (args, text) => {
    const { exitCode, stderr, stdout } = await runCli(args);
    expect(stderr).toContain(text);
    expect(exitCode).toBe(2);
    expect(stdout).toBe('');
  });

  it('takes global options before and after the command', async () => {
    const before = await runCli(['--json', 'events', 'list']);
    const after = await runCli(['events', 'list', '--json']);
    expect(before.stdout).toBe(after.stdout);
    expect(JSON.parse(before.stdout)).toHaveLength(3);
  });

  it('shows a stack only with --debug', async () => {
    const args = ['setup', '--url', 'amqp://u:p@127.0.0.1:1', '--timeout', '100ms'];
    expect((await runCli(args)).stderr).not.toContain('    at ');
    expect((await runCli([...args, '--debug'])).stderr).toContain('    at ');
  });

  it('reports an error of a config file like its own', async () => {
    const cwd = temporaryFolder();
    writeFileSync(
      join(cwd, 'atma-events.config.ts'),
      "import { defineEvent } from 'atma-events';\nexport default { events: [defineEvent({ type: 'nodots', exchange: 'e', schema: {} as never })] };\n",
    );
    const { exitCode, stderr } = await runCli(['events'], { cwd });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('"nodots" is not an event type');
    expect(stderr).not.toContain('defect');
  });
});

describe('events', () => {
  it('lists the catalog as JSON with the documented fields', async () => {
    const [first] = JSON.parse((await runCli(['events', '--json'])).stdout);
    expect(first).toEqual({
      type: 'analysis.completed',
      version: 1,
      exchange: 'atma_events_exchange',
      routingKey: 'analysis.completed',
      description: 'An analysis succeeded; its result is stored.',
    });
  });

  it('shows one with its JSON Schema', async () => {
    const shown = JSON.parse((await runCli(['events', 'show', 'analysis.failed', '--json'])).stdout);
    expect(shown.schema.required).toEqual(['jobId', 'userId', 'userEmail', 'errorMessage', 'metadata']);
  });

  it('gives a sample that publish takes', async () => {
    for (const type of ['analysis.completed', 'analysis.failed', 'analysis.started']) {
      const { stdout } = await runCli(['events', 'sample', type]);
      const { exitCode } = await runCli(['publish', type, '--data', '-', '--dry-run'], { input: stdout });
      expect(exitCode).toBe(0);
    }
  });

  it('exits 2 on an unknown type and names the closest', async () => {
    expect(await runCli(['events', 'show', 'analysis.done'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('No event "analysis.done"'),
    });
  });
});
