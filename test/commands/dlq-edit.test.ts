import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openLedger } from '../../src/dead-letters/ledger.js';
import { withTransport } from './brokers.js';
import { runCli, startCli, temporaryFolder } from './cli.js';
import { describeDying, die, eventOf, idsIn, messagesIn, toBody } from './dying.js';
import { KEYS, startOnTerminal, terminalsToBeHad } from './pseudo-terminal.js';

const BIN = fileURLToPath(new URL('../../bin/atma-events.js', import.meta.url));
const KILLED_EDIT = fileURLToPath(new URL('./programs/killed-edit.mjs', import.meta.url));

/** An editor of this shell script, with the file as `$1`. */
function editorOf(folder: string, script: string): string {
  const path = join(folder, 'editor');
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

describeDying('dlq edit', (broker) => {
  const dlq = () => `${broker.notifications}_dlq`;
  const edit = (cwd: string, body: unknown, ...args: string[]) => {
    writeFileSync(join(cwd, 'body.json'), Buffer.isBuffer(body) ? body : toBody(body));
    return runCli(
      ['dlq', 'edit', dlq(), 'm-1', '--body', 'body.json', '--yes', ...args],
      broker.options({ cwd }),
    );
  };

  it('sends the edited copy under a new id with the old one in x-edited-from, and takes the original off', async () => {
    await die(broker, 2);
    const mended = { ...eventOf(1), n: 100 };
    const { exitCode, stdout } = await edit(temporaryFolder(), mended, '--json');
    expect(exitCode).toBe(0);
    const document = JSON.parse(stdout);
    expect(document).toEqual({
      queue: dlq(),
      editedFrom: 'm-1',
      changed: true,
      messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      replay: {
        id: expect.any(String),
        queue: dlq(),
        replayed: 1,
        skipped: {},
        boomeranged: 0,
        possibleDuplicates: 0,
        left: 1,
      },
    });
    const [copy, ...others] = await messagesIn(broker, broker.notifications);
    expect(others).toEqual([]);
    expect(copy?.body).toEqual(toBody(mended));
    expect(copy?.properties).toMatchObject({
      messageId: document.messageId,
      contentType: 'application/json',
      headers: { 'x-edited-from': 'm-1', 'x-replay': expect.objectContaining({ from: dlq() }) },
    });
    expect(await idsIn(broker, dlq())).toEqual(['m-2']);
  });

  it('a body that is not valid is told field by field, and nothing is sent', async () => {
    await die(broker, 1);
    const invalid = { ...eventOf(1), jobId: 'none', metadata: {} };
    const { exitCode, stderr } = await edit(temporaryFolder(), invalid);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('jobId: expected a UUID');
    expect(stderr).toContain('metadata.assessmentName: missing');
    const broken = await edit(temporaryFolder(), Buffer.from('{"jobId":'));
    expect(broken.exitCode).toBe(2);
    expect(broken.stderr).toContain('it is not JSON');
    expect(await idsIn(broker, dlq())).toEqual(['m-1']);
    expect(await idsIn(broker, broker.notifications)).toEqual([]);
  });

  it('an unchanged body is nothing to do, however it is laid out', async () => {
    await die(broker, 1);
    const laidOut = Buffer.from(JSON.stringify(eventOf(1), null, 4));
    const { exitCode, stdout } = await edit(temporaryFolder(), laidOut, '--json');
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ queue: dlq(), editedFrom: 'm-1', changed: false });
    expect(await idsIn(broker, dlq())).toEqual(['m-1']);
  });

  it('shows what would change without anybody’s address; --dry-run sends nothing', async () => {
    await die(broker, 1);
    const cwd = temporaryFolder();
    const { exitCode, stdout, stderr } = await edit(cwd, { ...eventOf(1), n: 2 }, '--dry-run');
    expect(exitCode).toBe(0);
    expect(stderr).toContain('-   "n": 1\n+   "n": 2');
    expect(stdout).toContain(`would go to ${broker.notifications}, nothing was sent`);
    const other = await edit(cwd, { ...eventOf(1), userEmail: 'b@example.com' }, '--dry-run');
    expect(other.stderr).toContain('+   "userEmail": "***@example.com"');
    expect(other.stderr + other.stdout).not.toMatch(/user@|b@/);
    expect(existsSync(join(cwd, 'atma-events'))).toBe(false);
    expect(await idsIn(broker, dlq())).toEqual(['m-1']);
  });

  it('judges a body by the key that it was first published with, not by that of its dead-letter exchange', async () => {
    await die(broker, 1);
    const { exitCode, stderr } = await runCli(
      ['dlq', 'edit', dlq(), 'm-1', '--body', '-', '--yes'],
      broker.options({ cwd: temporaryFolder(), input: '{"jobId":"still-nope"}' }),
    );
    expect({ exitCode }).toEqual({ exitCode: 2 });
    expect(stderr).toContain('Not a valid analysis.completed');
    expect(await idsIn(broker, dlq())).toEqual(['m-1']);
  });

  it('a type that is not in the catalog is sent as it is; a body from stdin, to a queue of choice', async () => {
    await withTransport(broker, (transport) =>
      transport.publish({
        exchange: `${broker.exchange}_dlx`,
        routingKey: 'notifications.dlq',
        body: Buffer.from('job 17, tokens 3'),
        properties: { messageId: 'm-1' },
      }),
    );
    const { exitCode, stderr } = await runCli(
      ['dlq', 'edit', dlq(), 'm-1', '--body', '-', '--to', broker.assessments, '--yes'],
      broker.options({ cwd: temporaryFolder(), input: 'job 17, tokens 4' }),
    );
    expect({ exitCode }).toEqual({ exitCode: 0 });
    expect(stderr).toContain('Not validated');
    const [copy] = await messagesIn(broker, broker.assessments);
    expect(copy?.body.toString()).toBe('job 17, tokens 4');
  });

  it('ends reading a body that has no end', async () => {
    await die(broker, 1);
    const run = (body: string) =>
      startCli(['dlq', 'edit', dlq(), 'm-1', '--body', body, '--yes'], broker.options());
    const device = await run('/dev/zero').ended;
    expect(device.stderr).toContain('/dev/zero holds more than 128 MiB');
    expect(device.exitCode).toBe(2);

    const pipe = run('-');
    const endless = new Readable({ read: () => endless.push(Buffer.alloc(1024 * 1024)) });
    onTestFinished(() => void endless.destroy());
    endless.pipe(pipe.child.stdin ?? expect.fail('no stdin'));
    const { exitCode, stderr } = await pipe.ended;
    expect(stderr).toContain('stdin holds more than 128 MiB');
    expect(exitCode).toBe(2);
    expect(await idsIn(broker, dlq())).toEqual(['m-1']);
  });

  it('names what it cannot find', async () => {
    await die(broker, 1);
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'body.json'), '{}');
    const run = (...args: string[]) => runCli(['dlq', 'edit', ...args], broker.options({ cwd }));
    expect(await run(dlq(), 'm-7', '--body', 'body.json', '--yes')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(`There is no dead letter "m-7" in ${dlq()}`),
    });
    expect(await run(`${dlq()}s`, 'm-1', '--body', 'body.json', '--yes')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining(`Did you mean "${dlq()}"?`),
    });
    expect(await run(dlq(), 'm-1', '--body', 'no.json', '--yes')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('Cannot read'),
    });
  });

  it.runIf(terminalsToBeHad)(
    'opens the body in the editor, again when it is not valid, and asks before it sends',
    async () => {
      await die(broker, 1);
      const folder = temporaryFolder();
      // First time wrong, second time right; what it was given is kept to look at.
      const editor = editorOf(
        folder,
        [
          `ls -l "$1" > ${folder}/mode`,
          `if [ -e ${folder}/seen ]; then sed -i 's/"jobId": "[^"]*"/"jobId": "11111111-2222-4333-8444-555555555555"/' "$1"`,
          `else cp "$1" ${folder}/seen; sed -i 's/"jobId": "[^"]*"/"jobId": "none"/' "$1"; fi`,
        ].join('\n'),
      );
      const temporary = temporaryFolder();
      const terminal = startOnTerminal(
        ['dlq', 'edit', dlq(), 'm-1'],
        broker.options({ cwd: folder, env: { VISUAL: `${editor} `, EDITOR: 'false', TMPDIR: temporary } }),
      );
      await terminal.shows('jobId: expected a UUID');
      await terminal.shows('Edit again?');
      terminal.types(KEYS.enter);
      await terminal.shows(`Send the edited copy to ${broker.notifications}`);
      expect(terminal.shown()).toContain('+   "jobId": "11111111-2222-4333-8444-555555555555"');
      terminal.types(KEYS.enter);
      expect(await terminal.ended).toBe(0);
      expect(readFileSync(join(folder, 'seen'), 'utf8')).toBe(`${JSON.stringify(eventOf(1), null, 2)}\n`);
      expect(readFileSync(join(folder, 'mode'), 'utf8')).toMatch(/^-rw-------/);
      expect(readdirSync(temporary)).toEqual([]);
      const [copy] = await messagesIn(broker, broker.notifications);
      expect(copy?.body).toEqual(toBody({ ...eventOf(1), jobId: '11111111-2222-4333-8444-555555555555' }));
      expect(await idsIn(broker, dlq())).toEqual([]);
    },
  );

  it.runIf(terminalsToBeHad)(
    'keeps what was typed when it cannot be sent, and says how to go on',
    async () => {
      await die(broker, 1);
      const folder = temporaryFolder();
      // While it is edited, somebody else brings the dead letter back.
      const editor = editorOf(
        folder,
        `sed -i 's/"n": 1$/"n": 77/' "$1"; ${process.execPath} ${BIN} replay-dlq ${dlq()} --yes --ledger ${folder}/other.db`,
      );
      const temporary = temporaryFolder();
      const terminal = startOnTerminal(
        ['dlq', 'edit', dlq(), 'm-1', '--to', broker.assessments],
        broker.options({ cwd: folder, env: { EDITOR: editor, TMPDIR: temporary } }),
      );
      await terminal.shows('Send the edited copy');
      terminal.types(KEYS.enter);
      await terminal.shows('is no longer in');
      expect(await terminal.ended).toBe(1);
      const [kept = ''] = readdirSync(temporary);
      const file = join(temporary, kept, 'body.json');
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(readFileSync(file, 'utf8')).toContain('"n": 77');
      expect(terminal.shown()).toContain(
        `atma-events dlq edit ${dlq()} m-1 --body ${file} --to ${broker.assessments}`,
      );
    },
  );

  it.runIf(terminalsToBeHad)(
    'refuses beside a replay that was not finished, before anything is edited',
    async () => {
      await die(broker, 1);
      const cwd = temporaryFolder();
      const path = join(cwd, 'replays.db');
      const killed = [broker.url(), path, dlq(), '{}', 'copy-1', 'claimed'];
      spawnSync(process.execPath, [KILLED_EDIT, ...killed], { stdio: 'inherit' });
      const ledger = openLedger(path);
      const [{ id } = { id: '' }] = ledger.list();
      ledger.close();
      const editor = editorOf(cwd, `touch ${cwd}/edited`);
      const terminal = startOnTerminal(
        ['dlq', 'edit', dlq(), 'm-1', '--ledger', path],
        broker.options({ cwd, env: { EDITOR: editor } }),
      );
      await terminal.shows(`replay-dlq --resume ${id} --ledger ${path}`);
      expect(await terminal.ended).toBe(2);
      expect(existsSync(join(cwd, 'edited'))).toBe(false);
    },
  );

  it.runIf(terminalsToBeHad)('an editor that fails, or changes nothing, changes nothing', async () => {
    await die(broker, 1);
    for (const [editor, exitCode, text] of [
      ['false', 1, 'nothing was changed'],
      ['true', 0, 'nothing changed'],
      ['/no/such/editor', 2, 'cannot be started'],
    ] as const) {
      const env = { EDITOR: editor, TMPDIR: temporaryFolder() };
      const terminal = startOnTerminal(['dlq', 'edit', dlq(), 'm-1'], broker.options({ env }));
      await terminal.shows(text);
      expect(await terminal.ended).toBe(exitCode);
      expect(readdirSync(env.TMPDIR)).toEqual([]);
    }
    expect(await idsIn(broker, dlq())).toEqual(['m-1']);
  });
});

describe('dlq edit, asked for what it cannot do', () => {
  it.each([
    [['q', 'm-1'], 'There is no terminal to edit on'],
    [['q', 'm-1', '--body', 'x'], '--yes'],
    [['q'], 'missing required argument'],
  ])('answers %j with exit 2 and what was meant', async (args, text) => {
    const { exitCode, stderr } = await runCli(['dlq', 'edit', ...args], { cwd: temporaryFolder() });
    expect(stderr).toContain(text);
    expect(exitCode).toBe(2);
  });

  it('exits 5 when the broker is not there', async () => {
    const url = ['--url', 'amqp://127.0.0.1:1', '--timeout', '300ms'];
    const { exitCode } = await runCli(['dlq', 'edit', 'q', 'm-1', '--body', '-', '--yes', ...url]);
    expect(exitCode).toBe(5);
  });
});
