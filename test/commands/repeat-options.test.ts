import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { resumeOptions, shellWord, whereOptions } from '../../src/commands/repeat-options.js';
import { createTerminal } from '../../src/terminal/io.js';
import type { GlobalOptions } from '../../src/terminal/options.js';

function sessionWith(given: Partial<GlobalOptions>) {
  const terminal = createTerminal(
    {
      stdin: new PassThrough(),
      stdout: new PassThrough(),
      stderr: new PassThrough(),
      environment: {},
      directory: '/srv/it',
    },
    { colour: false, input: false, quiet: false, debug: false },
  );
  const globals = { json: false, color: true, input: true, quiet: false, debug: false, ...given };
  return { terminal, globals };
}

describe('the options that a resumed replay needs', () => {
  it('are all that were given, paths so that they are found from every folder', () => {
    const session = sessionWith({
      profile: 'production',
      config: 'my.config.ts',
      timeout: 500,
      preset: 'atma',
    });
    const options = { rate: 2.5, canary: 3, canaryWait: 1500, maxDeaths: 20, ledger: 'l.db' };
    expect(resumeOptions(session, options)).toBe(
      ' --rate 2.5 --canary 3 --canary-wait 1500ms --max-deaths 20 --profile production --ledger /srv/it/l.db' +
        ' --config /srv/it/my.config.ts --preset atma --timeout 500ms',
    );
  });

  it('are none where none were given', () => {
    expect(resumeOptions(sessionWith({}), {})).toBe('');
  });

  it.each([
    ['embedded:./b.db', ' --url embedded:./b.db'],
    ['amqp://127.0.0.1:5672/v', ' --url amqp://127.0.0.1:5672/v'],
    ['amqp://me:s3cret@127.0.0.1', ' --url THE-SAME-URL'],
  ])('name the broker %s without its password', (url, text) => {
    expect(whereOptions(sessionWith({ url }), undefined)).toBe(text);
  });
});

describe('a word for the shell', () => {
  it.each([
    ['orders_dlq', 'orders_dlq'],
    ['my queue', "'my queue'"],
    ["it's; rm -rf $HOME", "'it'\\''s; rm -rf $HOME'"],
    ['', "''"],
  ])('of %s is %s', (word, quoted) => {
    expect(shellWord(word)).toBe(quoted);
  });
});
