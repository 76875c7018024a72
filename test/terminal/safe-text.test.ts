import { describe, expect, it } from 'vitest';
import { hideEmails, hidePasswords, safeJson, safeLine, safeOutput } from '../../src/terminal/safe-text.js';

describe('untrusted text', () => {
  it('cannot drive a terminal', () => {
    expect(safeLine('a\u001b[2Jb\u0007\u009bc\u007f\u202ed\u2028e\n\tf')).toBe(
      'a\\x1b[2Jb\\x07\\x9bc\\x7f\\u202ed\\u2028e\\n\\tf',
    );
  });

  it('keeps every printable character, also beyond the basic plane', () => {
    expect(safeLine('Halo dunia, 你好 🎉 é')).toBe('Halo dunia, 你好 🎉 é');
  });

  it('shows a lone surrogate instead of printing it', () => {
    expect(safeLine('x\ud800y')).toBe('x\\ud800y');
  });
});

describe('secrets', () => {
  it.each([
    ['amqp://guest:guest@localhost:5672/v', 'amqp://guest:***@localhost:5672/v'],
    ['x amqps://u:p%40ss:w/rd@h y', 'x amqps://u:***@h y'],
    ['amqp://:secret@h', 'amqp://:***@h'],
    ['http://user@host', 'http://user@host'],
    ['amqp://u:p@ss@host/x', 'amqp://u:***@host/x'],
  ])('passwords go from %s', (text, hidden) => {
    expect(hidePasswords(text)).toBe(hidden);
  });

  it('hides the person in an e-mail address', () => {
    expect(hideEmails('{"userEmail":"budi.s+x@mail.example.co.id"} @ a@b too')).toBe(
      '{"userEmail":"***@mail.example.co.id"} @ a@b too',
    );
  });
});

describe('output', () => {
  it('keeps the colours that are ours and shows every other control sequence', () => {
    const text = '\u001b[32mok\u001b[39m \u001b[2J\u001b[8mhidden\u009b31m\nnext';
    expect(safeOutput(text, true)).toBe('\u001b[32mok\u001b[39m \\x1b[2J\\x1b[8mhidden\\x9b31m\nnext');
    expect(safeOutput(text, false)).toBe('\\x1b[32mok\\x1b[39m \\x1b[2J\\x1b[8mhidden\\x9b31m\nnext');
  });

  it('as JSON means the same and drives no terminal', () => {
    const value = { c1: '\u009b31m', bidi: '\u202e', tag: '\u{e0001}', line: '\u2028', plain: 'é 🎉' };
    const json = safeJson(JSON.stringify(value));
    expect(JSON.parse(json)).toEqual(value);
    expect(json).toMatch(/^[\u0020-\u007e\u00a0-\uffff]*$/);
    expect(json).not.toMatch(/[\p{Cf}\p{Zl}]/u);
  });

  it.each([
    ["o'brien@example.com", '***@example.com'],
    ['jané.doe@example.com!', '***@example.com!'],
    ['jane\\u200b@example.com', '***@example.com'],
    ['<a@b.co>,"c@d.co"', '<***@b.co>,"***@d.co"'],
  ])('hides the whole person in %s', (text, hidden) => {
    expect(hideEmails(text)).toBe(hidden);
  });

  it.each([
    ['user john.doe@exampl…', 'user ***@exampl…'],
    ['user john.doe@example.c…', 'user ***@example.c…'],
    ['john@… and more', '***@… and more'],
    ['for john.doe@exam… (cut), then', 'for ***@exam… (cut), then'],
    ['{"userEmail":"john.doe@exampl', '{"userEmail":"***@exampl'],
    ['to john.doe@example.', 'to ***@example.'],
  ])('hides the person in an address that was cut: %s', (text, hidden) => {
    expect(hideEmails(text)).toBe(hidden);
  });

  it.each([
    'npm install @scope/name',
    'at run (/srv/node_modules/.pnpm/zod@4.1.0/index.js:1:2) later',
    'zod@4.1',
    'user@ is missing',
    'asked for user@',
    'amqp://guest@localhost',
    'http://user@host/path',
  ])('leaves what is no address as it is: %s', (text) => {
    expect(hideEmails(text)).toBe(text);
  });
});
